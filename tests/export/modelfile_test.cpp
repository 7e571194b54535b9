#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sstream>

#include "export/export.h"

namespace slmtune::exporting {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

TEST(Modelfile, NamesTheFileTheTemplateAndTheContext) {
  const data::ChatTemplate& chat = data::ChatTemplate::by_name("chatml");
  const std::string text = modelfile("faq-q8_0.gguf", &chat, 4096);
  EXPECT_THAT(text, StartsWith("FROM ./faq-q8_0.gguf\n"));
  EXPECT_THAT(text, HasSubstr("TEMPLATE \"\"\"" + std::string(chat.ollama) + "\"\"\"\n"));
  EXPECT_THAT(text, HasSubstr("PARAMETER num_ctx 4096\n"));
}

TEST(Modelfile, StopsAtTheMarksOfTheTemplate) {
  const std::string chatml = modelfile("a.gguf", &data::ChatTemplate::by_name("chatml"), 1);
  EXPECT_THAT(chatml, HasSubstr("PARAMETER stop \"<|im_start|>\"\n"));
  EXPECT_THAT(chatml, HasSubstr("PARAMETER stop \"<|im_end|>\"\n"));
  const std::string llama = modelfile("a.gguf", &data::ChatTemplate::by_name("llama3"), 1);
  for (const char* mark : {"<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"})
    EXPECT_THAT(llama, HasSubstr("PARAMETER stop \"" + std::string(mark) + "\"\n"));
}

TEST(Modelfile, StopsAtEveryFamilysMarksAndNothingElse) {
  const auto stops = [](const char* name) {
    std::vector<std::string> found;
    std::istringstream text(modelfile("a.gguf", &data::ChatTemplate::by_name(name), 1));
    for (std::string line; std::getline(text, line);)
      if (line.starts_with("PARAMETER stop ")) found.push_back(line.substr(15));
    return found;
  };
  EXPECT_THAT(stops("gemma2"), ElementsAre("\"<start_of_turn>\"", "\"<end_of_turn>\""));
  EXPECT_THAT(stops("mistral-v3"), ElementsAre("\"[INST]\"", "\"[/INST]\"", "\"</s>\""));
  EXPECT_THAT(stops("phi3"),
              ElementsAre("\"<|system|>\"", "\"<|end|>\"", "\"<|user|>\"", "\"<|assistant|>\""));
  EXPECT_THAT(stops("phi4"), ElementsAre("\"<|im_start|>\"", "\"<|im_sep|>\"", "\"<|im_end|>\""));
}

TEST(Modelfile, NoTemplatePutsBosInFront) {
  for (const data::ChatTemplate& chat : data::ChatTemplate::all()) {
    EXPECT_THAT(std::string(chat.ollama), Not(HasSubstr("<|begin_of_text|>"))) << chat.name;
    EXPECT_THAT(std::string(chat.ollama), Not(HasSubstr("<bos>"))) << chat.name;
    EXPECT_THAT(std::string(chat.ollama), Not(HasSubstr("<s>"))) << chat.name;
    EXPECT_FALSE(chat.ollama.empty()) << chat.name;
  }
}

TEST(Modelfile, WithoutAChatTemplateOllamaTakesThatOfTheFile) {
  EXPECT_EQ(modelfile("a.gguf", nullptr, 2048), "FROM ./a.gguf\nPARAMETER num_ctx 2048\n");
}

}  // namespace
}  // namespace slmtune::exporting
