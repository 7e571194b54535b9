// The recipe's keys for people and for editors, all made from the tables that recipes are read
// with: the texts of docs/recipe.md, docs/recipe.schema.json and `slmtune explain KEY`.
#pragma once
#include <string>
#include <vector>

#include "core/field_table.h"
#include "core/json.h"

namespace slmtune::cli {

struct RecipeKey {
  std::string path;  // dotted; keys of list entries stand below the list: "export.format"
  FieldFacts facts;
};

// Every key in the order of the tables, a section before its keys.
std::vector<RecipeKey> recipe_keys();

std::string type_text(const FieldFacts& facts);     // "whole number", "section or list of sections"
std::string limits_text(const FieldFacts& facts);   // "from 1 to 1024", "auto, cpu, cuda", ""
std::string example_text(const FieldFacts& facts);  // a value as YAML; empty for sections
// Words of the contract that this version does not have.
std::vector<std::string> later_words(const FieldFacts& facts);

// docs/recipe.md
std::string recipe_reference();

// docs/recipe.schema.json: JSON Schema, draft 7, which the editors' YAML plug-ins know best.
OrderedJson recipe_schema();

}  // namespace slmtune::cli
