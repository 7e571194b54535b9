# Warnings for our own targets only; dependencies come in as SYSTEM headers.
add_library(slmtune_warnings INTERFACE)
target_compile_options(slmtune_warnings INTERFACE
  $<$<COMPILE_LANGUAGE:CXX>:-Wall -Wextra -Wpedantic -Wshadow -Wnon-virtual-dtor -Woverloaded-virtual -Wno-psabi>)
# In the standard library's strings GCC 12 sees overflows that are none (its bug 105651), and a precompiled header makes it
# forget that they are system headers.
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
  target_compile_options(slmtune_warnings INTERFACE
    $<$<COMPILE_LANGUAGE:CXX>:-Wno-array-bounds -Wno-restrict -Wno-stringop-overflow -Wno-stringop-overread>)
endif()
if(SLMTUNE_WERROR)
  target_compile_options(slmtune_warnings INTERFACE $<$<COMPILE_LANGUAGE:CXX>:-Werror>)
endif()
