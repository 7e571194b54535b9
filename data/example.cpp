#include "data/example.h"

namespace slmtune::data {

int64_t Tokens::trained() const {
  int64_t count = 0;
  for (size_t i = 1; i < labels.size(); ++i) count += labels[i] != kNotTrained;
  return count;
}

}  // namespace slmtune::data
