// What Ollama is told beside a model's weights; the text of a Modelfile is made by modelfile() in
// export.h.
#pragma once
#include <string>
#include <vector>

#include "data/chat/chat_template.h"

namespace slmtune::exporting {

// What ends an answer in Ollama: none of the marks in the template belongs into one.
std::vector<std::string> stop_texts(const data::ChatTemplate& chat);

}  // namespace slmtune::exporting
