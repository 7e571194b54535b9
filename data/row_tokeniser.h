// Tokenises the rows of one file on all cores.
#pragma once
#include <atomic>
#include <exception>
#include <mutex>
#include <string>
#include <vector>

#include "core/error.h"
#include "data/bad_rows.h"
#include "data/chat/chat_template.h"

namespace slmtune::data {

class RowTokeniser {
 public:
  // The arguments must outlive this.
  RowTokeniser(const std::vector<Example>& examples, const std::vector<std::string>& places,
               const Tokenizer& tokenizer, const ChatTemplate* chat)
      : examples_(examples), places_(places), tokenizer_(tokenizer), chat_(chat) {}

  // Rows in the order of the examples. UserError with every row that cannot be used (D004, D005,
  // D020); what is wrong with the model folder is thrown as it is. `file` names the rows' origin.
  std::vector<Tokens> run(const std::string& file);

 private:
  void work(bool shows_progress);
  bool tokenise_row(size_t i);  // false: stop, the model folder is at fault
  void note(size_t i, BadRows& bad) const;
  void warn_of_lost_systems(const std::string& file) const;

  const std::vector<Example>& examples_;
  const std::vector<std::string>& places_;
  const Tokenizer& tokenizer_;
  const ChatTemplate* chat_;
  std::vector<Tokens> rows_;
  std::vector<std::vector<Diagnostic>> errors_;
  std::atomic<size_t> next_{0};
  std::mutex mutex_;
  std::exception_ptr failure_;
};

}  // namespace slmtune::data
