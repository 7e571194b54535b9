// One training or evaluation row, after its shape (messages, alpaca, …) was understood and before
// tokenising.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

namespace slmtune::data {

inline constexpr int32_t kNotTrained = -100;  // label of a token that carries no loss

// A function that the assistant calls. JSON is kept as Python's json.dumps prints it
// (data/python_json.h), which is what chat templates show to the model.
struct ToolCall {
  std::string id;         // "" when the row gives none
  std::string name;       // of the function
  std::string arguments;  // a JSON object
  std::string function;   // the JSON object with name and arguments, in the row's order
};

struct Message {
  std::string role;  // system | user | assistant | tool
  std::string text;
  bool train = false;  // only assistant turns carry loss; a row's own `train: false` or `weight: 0`
                       // switches one off
  std::vector<ToolCall> tool_calls = {};  // of the assistant
  std::string tool_call_id = {};          // of a tool's result: the call that it answers
  std::string tools = {};  // of a system message: text that names the functions (Phi-4-mini)
};

struct Span {
  std::string text;
  bool train = false;
};

// What a row is to its objective.
enum class RowMark : uint8_t {
  kNone,
  kChosen,    // preference: the better answer; the row after it is kRejected
  kRejected,  // the worse one
  kGood,      // kto: thumbs up
  kBad,       // thumbs down
  kLast = kBad
};

// Of messages, spans and ids exactly one is filled; `kind` says which.
struct Example {
  enum class Kind { kChat, kText, kTokens };
  Kind kind = Kind::kChat;
  std::vector<Message> messages;   // kChat: rendered by the chat template
  std::vector<std::string> tools;  // kChat: functions that may be called, JSON objects
  std::vector<Span> spans;  // kText: plain text or prompt + completion; eos is added and trained at
                            // the end
  std::vector<int32_t> ids, labels;  // kTokens
  RowMark mark = RowMark::kNone;
  std::vector<Example> rejected = {};  // one beside kChosen: the same prompt, the worse answer
};

// ids and labels have the same length; labels are kNotTrained or equal to the id at the same place
// (not shifted).
struct Tokens {
  std::vector<int32_t> ids;
  std::vector<int32_t> labels;
  RowMark mark = RowMark::kNone;
  // Labels that carry loss, the first position excluded (nothing predicts it).
  int64_t trained() const;
};

}  // namespace slmtune::data
