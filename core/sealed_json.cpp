#include "core/sealed_json.h"

#include "core/sha256.h"

namespace slmtune {
namespace {

constexpr std::string_view kEnd = "\"\n}\n";

std::string beginning_of(const std::string& member) {
  return "\"" + member + "\": \"";
}

}  // namespace

std::string sealed(OrderedJson json, const std::string& member) {
  json.erase(member);
  std::string text = json.dump(2);
  text.resize(text.size() - std::string_view("\n}").size());
  text += ",\n  ";
  const std::string hash = sha256(text);
  return text.append(beginning_of(member)).append(hash).append(kEnd);
}

bool is_seal_whole(std::string_view text, const std::string& member) {
  const std::string beginning = beginning_of(member);
  const size_t seal = text.rfind(beginning);
  return seal != text.npos &&
         text.substr(seal + beginning.size()) == sha256(text.substr(0, seal)).append(kEnd);
}

}  // namespace slmtune
