// Rows of a table of wrong files: a good one of type File, what to change in it, and the code it is
// refused with.
#pragma once
#include <gtest/gtest.h>

#include <functional>
#include <string>

#include "tests/support/raises.h"

namespace slmtune::testing {

template <typename File>
struct Wrong {
  const char* name;
  const char* code;
  std::function<void(File&)> change;
};

template <typename File>
std::string name_of(const ::testing::TestParamInfo<Wrong<File>>& row) {
  return row.param.name;
}

}  // namespace slmtune::testing
