# SLMTUNE_FUZZ: what libFuzzer needs in every file that it is to explore. Conversions of a double that fits no integer
# are undefined too, but not in clang's group of that name; what address sees anyway is left out, a fifth of the build.
if(SLMTUNE_FUZZ)
  add_compile_options(-fsanitize=fuzzer-no-link,address,undefined,float-cast-overflow -fno-sanitize=null,object-size,vptr
    -fno-sanitize-recover=all -fno-omit-frame-pointer)
  add_link_options(-fsanitize=address,undefined)
endif()
# SLMTUNE_SANITIZE=address,undefined instruments every target of ours; LibTorch itself stays as shipped.
if(SLMTUNE_SANITIZE)
  add_compile_options("$<$<COMPILE_LANGUAGE:CXX>:-fsanitize=${SLMTUNE_SANITIZE};-fno-omit-frame-pointer;-fno-sanitize-recover=all>")
  add_link_options("-fsanitize=${SLMTUNE_SANITIZE}")
endif()
