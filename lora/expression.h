// A regular expression over module names, in the syntax that PEFT's users know (PCRE2, close to
// Python's).
//
//   Expression expression(R"(.*\.(q_proj|v_proj))", "lora.targets");
//   expression.matches("model.layers.0.self_attn.q_proj");   // the whole name
#pragma once
#include <memory>
#include <string>

namespace slmtune::lora {

class Expression {
 public:
  // UserError R061 with `where`: malformed, or longer than 4096 characters.
  Expression(const std::string& text, std::string where);
  // R061 when matching takes too many steps: an adapter's file must not be able to hang the
  // program.
  bool matches(const std::string& name) const;

 private:
  std::string text_, where_;
  std::shared_ptr<const void> code_;  // pcre2_code
};

}  // namespace slmtune::lora
