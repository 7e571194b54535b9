// Tables of bad files: what is wrong, the code it must be refused with, and a part of the message.
// Each format has a source file of its own; hostile_test.cpp reads them all and prints their
// number.
#pragma once
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "tests/support/temp_folder.h"

namespace slmtune::testing {

struct BadFile {
  std::string name;  // what is wrong; with the CVE or issue whose shape it has
  std::string code, part;
  std::function<void(const TempFolder& folder)> read;  // makes the file and reads it
};

struct BadFiles {
  std::string format;
  std::vector<BadFile> rows;
};

BadFiles bad_safetensors();
BadFiles bad_weight_indexes();
BadFiles bad_gguf();
BadFiles bad_json();
BadFiles bad_yaml();
BadFiles bad_configs();
BadFiles bad_rows();
BadFiles bad_tokenizer_json();
BadFiles bad_tokenizer_configs();
BadFiles bad_sentencepiece();
BadFiles bad_tekken();
BadFiles bad_chat_templates();
BadFiles bad_adapters();
BadFiles bad_checkpoints();
BadFiles bad_manifests();
BadFiles bad_aliases();

}  // namespace slmtune::testing
