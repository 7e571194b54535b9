# SLMTUNE_SANITIZE=address,undefined instruments every target of ours; LibTorch itself stays as shipped.
if(SLMTUNE_SANITIZE)
  add_compile_options("$<$<COMPILE_LANGUAGE:CXX>:-fsanitize=${SLMTUNE_SANITIZE};-fno-omit-frame-pointer;-fno-sanitize-recover=all>")
  add_link_options("-fsanitize=${SLMTUNE_SANITIZE}")
endif()
