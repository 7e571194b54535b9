# slmtune_embed(TARGET HEADER FUNCTION pattern...): small text files become part of the program, so that it finds them
# wherever it is installed. FUNCTION, declared in HEADER, returns them as std::span<const slmtune::EmbeddedText>.
function(slmtune_embed target header function)
  file(GLOB files CONFIGURE_DEPENDS ${ARGN})
  string(REGEX REPLACE ".*::" "" name "${function}")
  set(rows "")
  foreach(file IN LISTS files)
    cmake_path(GET file STEM LAST_ONLY stem)
    file(READ "${file}" text)
    string(APPEND rows "    {R\"~(${stem})~\",\n     R\"~(${text})~\"},\n")
    set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS "${file}")
  endforeach()
  list(LENGTH files count)
  string(CONCAT source "#include \"${header}\"\n\n#include <array>\n\n"
    "std::span<const slmtune::EmbeddedText> ${function}() {\n"
    "  static constexpr std::array<slmtune::EmbeddedText, ${count}> kTexts = {{\n${rows}  }};\n  return kTexts;\n}\n")
  set(output "${CMAKE_CURRENT_BINARY_DIR}/${name}.cpp")
  file(CONFIGURE OUTPUT "${output}" CONTENT "@source@" @ONLY)
  target_sources(${target} PRIVATE "${output}")
  set_source_files_properties("${output}" PROPERTIES SKIP_PRECOMPILE_HEADERS ON SKIP_UNITY_BUILD_INCLUSION ON)
endfunction()
