// Folders whose linears bitsandbytes has quantised to 4 bits: what is read, and what is refused.
// tests/quant_parity reads folders that transformers wrote.
#include "models/stored_weights.h"

#include <ATen/ATen.h>

#include "kernels/quant/nf4/nf4_weight.h"
#include "lora/attach.h"
#include "lora/merge.h"
#include "tests/support/raises.h"
#include "tests/support/temp_folder.h"
#include "tests/support/tiny_model.h"

namespace slmtune::models {
namespace {

using namespace slmtune::testing;

constexpr const char* kName = "model.layers.0.self_attn.q_proj.weight";
constexpr const char* kState = ".quant_state.bitsandbytes__nf4";

TensorSource bytes_source(const std::string& name, DType dtype, std::vector<int64_t> shape,
                          const std::string& bytes) {
  return {name, dtype, std::move(shape),
          [bytes](const auto& write) { write(std::as_bytes(std::span(bytes))); }};
}

std::string bytes_of(const at::Tensor& tensor) {
  const at::Tensor values = tensor.contiguous();
  return {static_cast<const char*>(values.const_data_ptr()), values.nbytes()};
}

// The tensors of one weight as bitsandbytes stores them, by the ends of their names.
struct Quantised {
  std::map<std::string, std::pair<DType, std::string>> parts;
  Json state;
};

Quantised quantised(const at::Tensor& dense) {
  const auto state = kernels::Nf4Weight(dense).state();
  Quantised made;
  made.parts[""] = {DType::kU8, bytes_of(state.at("weight"))};
  made.parts[".absmax"] = {DType::kU8, bytes_of(state.at("weight.absmax"))};
  for (const char* part : {".quant_map", ".nested_absmax", ".nested_quant_map"})
    made.parts[part] = {DType::kF32, bytes_of(state.at(std::string("weight") + part))};
  made.state = {{"quant_type", "nf4"},
                {"blocksize", 64},
                {"dtype", "float32"},
                {"shape", {dense.size(0), dense.size(1)}},
                {"nested_blocksize", 256},
                {"nested_dtype", "float32"},
                {"nested_offset", state.at("weight.nested_offset").item<float>()}};
  return made;
}

using Change = std::function<void(Quantised&)>;

class StoredWeights : public ::testing::Test {
 protected:
  // Writes a tiny llama whose linears are in 4 bits, the first one after `change`.
  void write(
      const Change& change = [](Quantised&) {}, bool declared = true) {
    Json config = tiny_config("LlamaForCausalLM");
    if (declared)
      config["quantization_config"] = {{"quant_method", "bitsandbytes"},
                                       {"load_in_4bit", true},
                                       {"load_in_8bit", false},
                                       {"bnb_4bit_quant_type", "nf4"}};
    write_file(folder_.path() / "config.json", config.dump());
    std::vector<TensorSource> tensors;
    model_->for_each_parameter([&](const std::string& name, at::Tensor& tensor) {
      if (name.find("_proj") == std::string::npos)
        return tensors.push_back(tensor_source(name, tensor, DType::kF32));
      Quantised parts = quantised(tensor);
      if (name == kName) change(parts);
      if (!parts.state.is_null())
        parts.parts[kState] = {DType::kU8, parts.state.is_string() ? parts.state.get<std::string>()
                                                                   : parts.state.dump()};
      for (const auto& [end, part] : parts.parts) {
        const auto values = static_cast<int64_t>(part.second.size() / dtype_bytes(part.first));
        const bool is_dense = parts.state.is_null();
        tensors.push_back(bytes_source(name + end, part.first,
                                       is_dense ? tensor.sizes().vec() : std::vector{values},
                                       part.second));
      }
    });
    write_safetensors(folder_.path() / "model.safetensors", tensors);
  }

  std::unique_ptr<CausalLM> load(at::ScalarType dtype = at::kFloat) {
    return load_model(folder_.path(), {.dtype = dtype});
  }

  // The first linear of a model that was just written.
  at::Tensor first(const Change& change = [](Quantised&) {}) {
    write(change);
    at::Tensor found;
    load()->for_each_linear([&](const std::string& name, Linear& linear) {
      if (name + ".weight" == kName) found = linear.weight->dense(at::kFloat);
    });
    return found;
  }

  at::Tensor original() {
    at::Tensor found;
    model_->for_each_parameter([&](const std::string& name, at::Tensor& tensor) {
      if (name == kName) found = tensor;
    });
    return found;
  }

  TempFolder folder_;
  std::unique_ptr<CausalLM> model_ = tiny_model("LlamaForCausalLM");
};

TEST_F(StoredWeights, StayInFourBits) {
  write();
  int64_t linears = 0;
  load()->for_each_linear([&](const std::string& name, Linear& linear) {
    EXPECT_EQ(linear.weight->trainable(), nullptr) << name;
    ++linears;
  });
  EXPECT_EQ(linears, 14);
  const kernels::Nf4Weight expected(original());
  EXPECT_TRUE(at::equal(first(), expected.dense(at::kFloat)));
}

TEST_F(StoredWeights, SurviveTheFileBeingReplacedAfterwards) {
  write();
  auto model = load();
  folder_.write("model.safetensors", "");
  const at::Tensor hidden = model->hidden(some_ids(5), Layout::single(5));
  EXPECT_TRUE(hidden.isfinite().all().item<bool>());
}

TEST_F(StoredWeights, MayLieInBytesOfAnotherType) {
  const at::Tensor expected = first();
  EXPECT_TRUE(at::equal(expected, first([](Quantised& w) { w.parts[""].first = DType::kBF16; })));
}

TEST_F(StoredWeights, MayHavePlainScalesAndOtherBlocks) {
  const at::Tensor dense = at::tensor({1.0, -1.0, 0.0, 1.0}).repeat({16, 4});
  const at::Tensor found = first([&](Quantised& w) {
    const auto state = kernels::Nf4Weight(dense).state();
    w.parts = {{"", {DType::kU8, bytes_of(state.at("weight"))}},
               {".quant_map", {DType::kF32, bytes_of(state.at("weight.quant_map"))}},
               {".absmax", {DType::kF32, bytes_of(at::full({8}, 3.0, at::kFloat))}}};
    w.state = {{"quant_type", "nf4"}, {"blocksize", 32}, {"dtype", "float32"}, {"shape", {16, 16}}};
  });
  EXPECT_TRUE(at::equal(found, dense.to(at::kFloat) * 3));
}

TEST_F(StoredWeights, StandBesideLinearsThatAreStoredDense) {
  const at::Tensor dense = original().contiguous();
  const at::Tensor found = first([&](Quantised& w) {
    w.parts = {{"", {DType::kF32, bytes_of(dense)}}};
    w.state = Json();
  });
  EXPECT_EQ(found.numel(), 256);
}

TEST_F(StoredWeights, MergeIntoPlainWeights) {
  write([](Quantised& w) { w.state["dtype"] = "bfloat16"; });
  auto model = load();
  lora::attach(*model, {.rank = 2}, 1);
  for (auto& [name, tensor] : trainable_tensors(*model)) {
    const at::NoGradGuard no_gradients;
    tensor.normal_(0.0, 0.1);
  }
  const TensorFolder base = TensorFolder::open(folder_.path());
  const TempFolder merged;
  write_safetensors(merged.path() / "model.safetensors", lora::merged_tensors(*model, base));
  write_file(merged.path() / "config.json", model->config().json.dump());
  const TensorFolder written = TensorFolder::open(merged.path());
  EXPECT_EQ(written.at(kName).dtype, DType::kBF16);
  EXPECT_FALSE(model->config().json.contains("quantization_config"));
  auto plain = load_model(merged.path(), {});
  const auto hidden = [](CausalLM& m) { return m.hidden(some_ids(9), Layout::single(9)); };
  EXPECT_TRUE(at::allclose(hidden(*plain), hidden(*model), 0.02, 0.02));
}

TEST_F(StoredWeights, AreNotQuantisedAgain) {
  write();
  EXPECT_NO_THROW(load_model(folder_.path(), {.quant = "nf4"}));
  EXPECT_TRUE(
      raises("R051", {"int8", "4 bits"}, [&] { load_model(folder_.path(), {.quant = "int8"}); }));
}

TEST_F(StoredWeights, NeedTheirDeclaration) {
  write([](Quantised&) {}, /*declared=*/false);
  EXPECT_TRUE(raises("F058", {"quantization_config"}, [&] { load(); }));
}

struct BadWeight {
  const char* name;
  const char* code;
  const char* part;
  Change change;
};

Change set(const char* key, const Json& value) {
  return [key, value](Quantised& w) { w.state[key] = value; };
}
Change cut(const char* part, size_t bytes) {
  return [part, bytes](Quantised& w) { w.parts[part].second.resize(bytes); };
}
Change put_float(const char* part, size_t place, float value) {
  return [=](Quantised& w) {
    std::memcpy(w.parts[part].second.data() + 4 * place, &value, sizeof value);
  };
}

std::vector<BadWeight> bad_weights() {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  return {
      {"NoJson", "F002", "not JSON", [](Quantised& w) { w.state = "{\"quant_type\": "; }},
      {"AKeyTwice", "F006", "twice",
       [](Quantised& w) { w.state = "{\"blocksize\": 64, \"blocksize\": 64}"; }},
      {"AList", "F058", "no JSON object", [](Quantised& w) { w.state = "[]"; }},
      {"ALongText", "F058", "short text", [](Quantised& w) { w.state = std::string(5000, ' '); }},
      {"AnUnknownKey", "F058", "'zero_point'", set("zero_point", 0)},
      {"AnotherType", "F058", "'fp4'", set("quant_type", "fp4")},
      {"NoBlocksize", "F003", "blocksize", [](Quantised& w) { w.state.erase("blocksize"); }},
      {"ABlocksizeOfZero", "F058", "'blocksize' is 0", set("blocksize", 0)},
      {"ABlocksizeThatIsNoPower", "F058", "'blocksize' is 96", set("blocksize", 96)},
      {"AHugeBlocksize", "F058", "'blocksize' is 8192", set("blocksize", 8192)},
      {"ABlocksizeAsText", "F004", "blocksize", set("blocksize", "64")},
      {"AnotherBlocksize", "F057", "'absmax' has 4 values, expected 2", set("blocksize", 128)},
      {"AnUnknownDtype", "F058", "'dtype' is 'int8'", set("dtype", "int8")},
      {"NoShape", "F058", "'shape'", [](Quantised& w) { w.state.erase("shape"); }},
      {"AShapeOfThree", "F058", "two sizes", set("shape", {4, 4, 16})},
      {"AShapeOfZero", "F058", "no size", set("shape", {0, 16})},
      {"ANegativeShape", "F058", "no size", set("shape", {-16, -16})},
      {"AHugeShape", "F057", "codes have 128 bytes", set("shape", {2147483647, 2147483647})},
      {"AnotherShape", "F053", "is [32, 8], expected [16, 16]", set("shape", {32, 8})},
      {"TooFewCodes", "F057", "127 bytes, expected 128", cut("", 127)},
      {"TooFewScales", "F057", "'absmax' has 3 values", cut(".absmax", 3)},
      {"NoScales", "F058", "'absmax' is missing", [](Quantised& w) { w.parts.erase(".absmax"); }},
      {"ScalesOfAnotherType", "F058", "'absmax' is I8",
       [](Quantised& w) { w.parts[".absmax"].first = DType::kI8; }},
      {"NoScalesOfScales", "F058", "'nested_absmax' is missing",
       [](Quantised& w) { w.parts.erase(".nested_absmax"); }},
      {"ScalesOfScalesOfNoNumber", "F058", "finite", put_float(".nested_absmax", 0, nan)},
      {"NoOffset", "F003", "nested_offset", [](Quantised& w) { w.state.erase("nested_offset"); }},
      {"AHugeOffset", "F058", "'nested_offset'", set("nested_offset", 1e300)},
      {"AnotherNestedDtype", "F058", "'nested_dtype'", set("nested_dtype", "float16")},
      {"ANestedBlocksizeOfZero", "F058", "'nested_blocksize' is 0", set("nested_blocksize", 0)},
      {"NoTable", "F058", "'quant_map' is missing",
       [](Quantised& w) { w.parts.erase(".quant_map"); }},
      {"AnotherTable", "F058", "at place 3", put_float(".quant_map", 3, -0.25f)},
      {"AShortTable", "F057", "'quant_map' has 15 values", cut(".quant_map", 60)},
      {"AnotherTableOfScales", "F058", "at place 200", put_float(".nested_quant_map", 200, nan)},
      {"NoCodes", "F058", "codes are missing", [](Quantised& w) { w.parts.erase(""); }},
      {"AnUnknownPart", "F054", "q_proj.weight.zeros",
       [](Quantised& w) {
         w.parts[".zeros"] = {DType::kU8, "0000"};
       }},
      {"AnotherFormat", "F051", "'bitsandbytes__fp4'",
       [](Quantised& w) {
         w.parts[".quant_state.bitsandbytes__fp4"] = {DType::kU8, "{}"};
       }},
  };
}

TEST_F(StoredWeights, EveryDamageIsRefused) {
  for (const BadWeight& bad : bad_weights()) {
    write(bad.change);
    EXPECT_TRUE(raises(bad.code, {bad.part}, [&] { load(); })) << bad.name;
  }
}

TEST(StoredQuant, OtherFormatsAreRefusedByName) {
  const auto parse = [](const Json& quantisation) {
    Json json = tiny_config("LlamaForCausalLM");
    json["quantization_config"] = quantisation;
    return ModelConfig::from_json(json, "config.json");
  };
  const Json nf4 = {{"quant_method", "bitsandbytes"},
                    {"load_in_4bit", true},
                    {"bnb_4bit_quant_type", "nf4"},
                    {"llm_int8_skip_modules", {"lm_head"}}};
  EXPECT_EQ(parse(nf4).stored_quant, "nf4");
  const auto with = [&](const char* key, const Json& value) {
    Json json = nf4;
    json[key] = value;
    return json;
  };
  EXPECT_TRUE(raises("F051", {"gptq"}, [&] { parse(with("quant_method", "gptq")); }));
  EXPECT_TRUE(raises("F051", {"fp4"}, [&] { parse(with("bnb_4bit_quant_type", "fp4")); }));
  EXPECT_TRUE(raises("F051", {"fp4"}, [&] { parse(with("bnb_4bit_quant_type", nullptr)); }));
  EXPECT_TRUE(raises("F051", {"8-bit"}, [&] { parse(with("load_in_8bit", true)); }));
  EXPECT_TRUE(raises("F051", {"load_in_4bit"}, [&] { parse(with("load_in_4bit", false)); }));
  EXPECT_TRUE(raises("F004", {"load_in_4bit"}, [&] { parse(with("load_in_4bit", "yes")); }));
  EXPECT_TRUE(raises("F004", {""}, [&] { parse("nf4"); }));
}

}  // namespace
}  // namespace slmtune::models
