#include "kernels/quant/names.h"

namespace slmtune::kernels {

std::vector<std::string> quant_names() {
  return {"none"};
}

}  // namespace slmtune::kernels
