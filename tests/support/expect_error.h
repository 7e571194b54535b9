// Expectations on our errors: code and whole text.
#pragma once
#include <gtest/gtest.h>

#include <string>

#include "core/error.h"

namespace slmtune::testing {

// What `statement` throws: "CODE|text", or "nothing".
template <typename Statement>
std::string thrown(Statement&& statement) {
  try {
    statement();
  } catch (const Error& error) {
    return error.code() + "|" + error.what();
  }
  return "nothing";
}

template <typename Statement>
std::string thrown_code(Statement&& statement) {
  return thrown(std::forward<Statement>(statement)).substr(0, 4);
}

// Text of what `statement` throws, as the user sees it.
template <typename Statement>
std::string thrown_text(Statement&& statement) {
  std::string all = thrown(std::forward<Statement>(statement));
  return all.size() > 5 ? all.substr(5) : all;
}

}  // namespace slmtune::testing
