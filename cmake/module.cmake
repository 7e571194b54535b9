# slmtune_module(NAME SOURCES a.cpp b.cpp [TORCH_SOURCES c.cpp...] [DEPS targets...])
# One folder = one static library slmtune_<name>. All share one precompiled header, modules with TORCH_SOURCES one with
# LibTorch in it. TORCH_SOURCES call LibTorch and are compiled several at a time, so that what its headers cost is paid
# once; SOURCES stay one by one, so that the program can link one of them without LibTorch.
function(slmtune_module name)
  cmake_parse_arguments(ARG "" "" "SOURCES;TORCH_SOURCES;DEPS" ${ARGN})
  add_library(slmtune_${name} STATIC ${ARG_SOURCES} ${ARG_TORCH_SOURCES})
  target_include_directories(slmtune_${name} PUBLIC "${PROJECT_SOURCE_DIR}")
  target_link_libraries(slmtune_${name} PUBLIC ${ARG_DEPS} PRIVATE slmtune_warnings)
  if(ARG_TORCH_SOURCES)
    slmtune_use_torch(slmtune_${name})
    set_target_properties(slmtune_${name} PROPERTIES UNITY_BUILD ${SLMTUNE_JOINED} UNITY_BUILD_BATCH_SIZE 5)
    set_source_files_properties(${ARG_SOURCES} PROPERTIES SKIP_UNITY_BUILD_INCLUSION ON)
  else()
    target_precompile_headers(slmtune_${name} REUSE_FROM slmtune_pch)
  endif()
endfunction()

# The precompiled headers (narrow ones of LibTorch, never torch/torch.h).
function(slmtune_pch_target target header)
  add_library(${target} STATIC "${PROJECT_SOURCE_DIR}/cmake/pch.cpp")
  target_include_directories(${target} PRIVATE "${PROJECT_SOURCE_DIR}")
  target_link_libraries(${target} PUBLIC ${ARGN} nlohmann_json::nlohmann_json fmt::fmt PRIVATE slmtune_warnings)
  target_precompile_headers(${target} PRIVATE "${PROJECT_SOURCE_DIR}/cmake/${header}")
endfunction()
slmtune_pch_target(slmtune_pch pch.h)
slmtune_pch_target(slmtune_torch_pch torch_pch.h LibTorch::headers)

# The code of the fmt that LibTorch's headers bring.
add_library(slmtune_torch_fmt STATIC "${CMAKE_CURRENT_LIST_DIR}/torch_fmt.cpp")
target_link_libraries(slmtune_torch_fmt PUBLIC LibTorch::headers)

# A static library needs the headers only; what is linked in the end (engine, tests) needs LibTorch itself. So the
# program can use the parts of these modules that are free of LibTorch without loading it (cli/engine.h).
#   slmtune_use_torch(TARGET [target of another precompiled header])
function(slmtune_use_torch target)
  target_link_libraries(${target} PUBLIC LibTorch::headers slmtune_torch_fmt PRIVATE slmtune_warnings)
  get_target_property(type ${target} TYPE)
  if(NOT type STREQUAL STATIC_LIBRARY)
    target_link_libraries(${target} PRIVATE LibTorch::cpu)
  endif()
  # Executables would get -fPIE, which a header precompiled with -fPIC does not fit.
  target_compile_options(${target} PRIVATE $<$<COMPILE_LANGUAGE:CXX>:-fPIC>)
  set(precompiled slmtune_torch_pch ${ARGN})
  list(GET precompiled -1 precompiled)
  target_precompile_headers(${target} REUSE_FROM ${precompiled})
endfunction()
