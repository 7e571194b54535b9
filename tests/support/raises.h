// Expecting an error by code and by parts of its message.
//
//   EXPECT_TRUE(raises("F050", {"MambaForCausalLM"}, [&] { ModelConfig::load(folder); }));
#pragma once
#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <vector>

#include "core/error.h"

namespace slmtune::testing {

inline ::testing::AssertionResult raises(const std::string& code,
                                         const std::vector<std::string>& parts,
                                         const std::function<void()>& action) {
  try {
    action();
  } catch (const Error& error) {
    const std::string text = error.what();
    if (error.code() != code) return ::testing::AssertionFailure() << "another error: " << text;
    for (const std::string& part : parts)
      if (text.find(part) == std::string::npos)
        return ::testing::AssertionFailure() << "no '" << part << "' in: " << text;
    return ::testing::AssertionSuccess();
  }
  return ::testing::AssertionFailure() << "no error; expected " << code;
}

}  // namespace slmtune::testing
