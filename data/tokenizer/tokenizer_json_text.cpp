// The steps of tokenizer.json that work on text: normalizer, pre-tokenizer, decoder.
#include "data/tokenizer/tokenizer_json.h"

#include "core/text.h"

namespace slmtune::data {

void TokenizerJson::for_each_step(const Object& step, const char* key, Step read_step) {
  for (Element entry : list(step, key)) (this->*read_step)(object(entry, "a step of a sequence"));
}

// The text of {"pattern": {"String": …}}.
std::string_view TokenizerJson::string_pattern(const Object& step) const {
  std::string_view pattern;
  if (member(step, "pattern")["String"].get_string().get(pattern))
    unsupported("a step looks for something else than a fixed text");
  return pattern;
}

void TokenizerJson::read_normalizer(const Object& step) {
  const std::string_view type = text(step, "type", "");
  if (type == "Sequence") {
    for_each_step(step, "normalizers", &TokenizerJson::read_normalizer);
  } else if (type == "NFC") {
    file_.rules.nfc = true;
  } else if (type == "Replace") {
    read_replace(step);
  } else if (type == "Prepend") {
    if (text(step, "prepend", "") != kSpaceMark || !file_.rules.prefix.empty())
      unsupported("'Prepend' puts something else than one '\u2581' in front");
    file_.rules.prefix = kSpaceMark;
  } else {
    unsupported("the normalizer is '" + shown(type) + "'");
  }
}

void TokenizerJson::read_replace(const Object& step) {
  if (string_pattern(step) != " " || text(step, "content", "") != kSpaceMark)
    unsupported("'Replace' does something else than to write blanks as '\u2581'");
  file_.rules.mark_spaces = true;
}

void TokenizerJson::read_pre_tokenizer(const Object& step) {
  const std::string_view type = text(step, "type", "");
  if (has_pre_tokenizer_) unsupported("the pre-tokenizer goes on after its last supported step");
  if (type == "Sequence")
    for_each_step(step, "pretokenizers", &TokenizerJson::read_pre_tokenizer);
  else if (type == "Split")
    read_split(step);
  else if (type == "ByteLevel")
    read_byte_level(step);
  else if (type == "Metaspace")
    read_metaspace(step);
  else
    unsupported("the pre-tokenizer is '" + shown(type) + "'");
}

void TokenizerJson::read_split(const Object& step) {
  if (file_.split != SplitRule::kWhole) unsupported("the pre-tokenizer splits twice");
  if (flag(step, "invert", false)) unsupported("'Split' has 'invert'");
  const std::string_view behavior = text(step, "behavior", "");
  std::string_view regex;
  if (member(step, "pattern")["Regex"].get_string().get(regex)) {
    // Gemma: by then the normalizer has left no blank to split at.
    if (string_pattern(step) != " " || behavior != "MergedWithPrevious" || !file_.rules.mark_spaces)
      unsupported("'Split' has no regex");
    return;
  }
  const std::optional<SplitRule> rule = split_rule_of(regex);
  if (!rule) unsupported("the split regex is unknown");
  if (behavior != "Isolated") unsupported("'Split' has another behavior than 'Isolated'");
  file_.split = *rule;
}

void TokenizerJson::read_byte_level(const Object& step) {
  has_pre_tokenizer_ = true;
  file_.kind = TokenizerKind::kByteLevel;
  if (flag(step, "add_prefix_space", true)) unsupported("'ByteLevel' has 'add_prefix_space'");
  if (!flag(step, "use_regex", true)) return;
  if (file_.split != SplitRule::kWhole) unsupported("'ByteLevel' splits a second time");
  file_.split = SplitRule::kGpt2;
}

void TokenizerJson::read_metaspace(const Object& step) {
  using Metaspace = TextRules::Metaspace;
  has_pre_tokenizer_ = true;
  if (text(step, "replacement", kSpaceMark) != kSpaceMark)
    unsupported("'Metaspace' has another mark than '\u2581'");
  const std::string_view scheme = text(step, "prepend_scheme", "always");
  if (scheme == "always")
    file_.rules.metaspace = Metaspace::kAlways;
  else if (scheme == "first")
    file_.rules.metaspace = Metaspace::kFirst;
  else if (scheme == "never")
    file_.rules.metaspace = Metaspace::kNever;
  else
    unsupported("'Metaspace' has the 'prepend_scheme' '" + shown(scheme) + "'");
  // How files of tokenizers before 0.15 say "never".
  if (!flag(step, "add_prefix_space", true)) file_.rules.metaspace = Metaspace::kNever;
  file_.cuts_before_space = flag(step, "split", true);
}

void TokenizerJson::read_decoder(const Object& step) {
  const std::string_view type = text(step, "type", "");
  has_decoder_ = true;
  DecodeRules& rules = file_.decoding;
  if (type == "ByteLevel") {
    rules.kind = DecodeRules::Kind::kByteLevel;
  } else if (type == "Metaspace") {
    if (text(step, "replacement", kSpaceMark) != kSpaceMark)
      unsupported("'Metaspace' has another mark than '\u2581'");
    const bool prefixes =
        text(step, "prepend_scheme", "always") != "never" && flag(step, "add_prefix_space", true);
    rules.kind = DecodeRules::Kind::kMetaspace;
    rules.strip = prefixes ? 1 : 0;
  } else if (type == "Sequence") {
    read_fused_decoder(list(step, "decoders"));
  } else {
    unsupported("the decoder is '" + shown(type) + "'");
  }
}

// Replace '▁' by ' ', ByteFallback, Fuse, Strip of blanks in front; in this order, each once.
void TokenizerJson::read_fused_decoder(const Array& steps) {
  DecodeRules& rules = file_.decoding;
  rules.kind = DecodeRules::Kind::kFused;
  rules.restores_spaces = false;
  constexpr std::string_view kOrder[] = {"Replace", "ByteFallback", "Fuse", "Strip"};
  size_t place = 0;
  bool fused = false;
  for (Element entry : steps) {
    const Object step = object(entry, "a decoder");
    const std::string_view type = text(step, "type", "");
    while (place < std::size(kOrder) && kOrder[place] != type) ++place;
    if (place == std::size(kOrder))
      unsupported("the decoder has '" + shown(type) + "' where slmtune does not expect it");
    ++place;
    if (type == "Replace") {
      if (string_pattern(step) != kSpaceMark || text(step, "content", "") != " ")
        unsupported("the decoder replaces something else than '\u2581' by a blank");
      rules.restores_spaces = true;
    } else if (type == "ByteFallback") {
      rules.byte_tokens = true;
    } else if (type == "Fuse") {
      fused = true;
    } else {
      const int64_t start = number(step, "start", 0);
      if (text(step, "content", "") != " " || number(step, "stop", 0) != 0 || start < 0 ||
          start > 1000 || !fused)
        unsupported("the decoder strips something else than blanks in front");
      rules.strip = static_cast<uint32_t>(start);
    }
  }
}

// The parts must belong to one kind, or the ids could not be trusted.
void TokenizerJson::check_kind() const {
  const bool byte_decoder = file_.decoding.kind == DecodeRules::Kind::kByteLevel;
  if (file_.kind == TokenizerKind::kByteLevel) {
    if (byte_fallback_) unsupported("the model has 'byte_fallback' besides 'ByteLevel'");
    if (file_.rules.mark_spaces || !file_.rules.prefix.empty())
      unsupported("the normalizer changes blanks before 'ByteLevel'");
    if (!byte_decoder) unsupported("the decoder does not belong to 'ByteLevel'");
    return;
  }
  if (byte_decoder)
    unsupported(has_decoder_ ? "the pre-tokenizer has no 'ByteLevel' step but the decoder does"
                             : "neither pre-tokenizer nor decoder is known");
  if (file_.split != SplitRule::kWhole) unsupported("a regex splits text without 'ByteLevel'");
}

}  // namespace slmtune::data
