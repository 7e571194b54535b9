// One maker per family file; registry.cpp puts them in the table.
#pragma once
#include "models/families/family.h"

namespace slmtune::models {

Family gemma2_family();
Family llama_family();
Family mistral_family();
Family phi3_family();
Family qwen2_family();

}  // namespace slmtune::models
