# Warnings for our own targets only; dependencies come in as SYSTEM headers.
add_library(slmtune_warnings INTERFACE)
target_compile_options(slmtune_warnings INTERFACE
  $<$<COMPILE_LANGUAGE:CXX>:-Wall -Wextra -Wpedantic -Wshadow -Wnon-virtual-dtor -Woverloaded-virtual -Wno-psabi>)
if(SLMTUNE_WERROR)
  target_compile_options(slmtune_warnings INTERFACE $<$<COMPILE_LANGUAGE:CXX>:-Werror>)
endif()
