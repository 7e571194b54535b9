# slmtune_emulate(TARGET kernels/rms_norm/rms_norm.cu...): adds .cu files, named from the root of the repository, to a
# test, compiled as C++ behind tests/emulator/block_emulator.h. Their launchers then run on the CPU.
#
# -fsanitize=thread makes the compiler report every access to tests/emulator/instrumentation.cpp, which stands in for the
# sanitizer's run-time library; it cannot be had together with AddressSanitizer.
function(slmtune_emulate target)
  set(options -include "${PROJECT_SOURCE_DIR}/tests/emulator/block_emulator.h"
    -O2 -Wno-unknown-pragmas -ffp-contract=off -fno-strict-aliasing)
  if(NOT SLMTUNE_SANITIZE MATCHES "address")
    list(APPEND options -fsanitize=thread,alignment)
    if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
      list(APPEND options --param=tsan-instrument-func-entry-exit=0)
    endif()
  endif()
  foreach(file IN LISTS ARGN)
    set_source_files_properties("${PROJECT_SOURCE_DIR}/${file}" PROPERTIES
      LANGUAGE CXX SKIP_PRECOMPILE_HEADERS ON COMPILE_OPTIONS "${options}")
    target_sources(${target} PRIVATE "${PROJECT_SOURCE_DIR}/${file}")
  endforeach()
  target_link_libraries(${target} PRIVATE slmtune_emulator)
endfunction()
