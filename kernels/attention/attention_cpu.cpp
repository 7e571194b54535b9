#include "kernels/attention/attention_cpu.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <type_traits>
#include <utility>

#include "kernels/attention/attention_rows.h"
#include "kernels/attention/block_product.h"
#include "kernels/parallel.h"

namespace slmtune::kernels {
namespace {

// Enough rows for the matrix kernels; few enough that the scores of a block stay in the cache and
// that little is computed behind the diagonal.
constexpr int64_t kQueriesPerBlock = 64;

// The type of sums, scores and softmax.
template <typename Number>
using WideOf = std::conditional_t<std::is_same_v<Number, double>, double, float>;

// [T, heads, hd] in memory.
template <typename Number>
struct Heads {
  Number* data;
  int64_t token_stride, head_stride, width;
  Matrix<Number> rows(int64_t token, int64_t head) const {
    return {data + token * token_stride + head * head_stride, token_stride};
  }
};

template <typename Number>
Heads<const Number> heads_of(const at::Tensor& x) {
  return {static_cast<const Number*>(x.const_data_ptr()), x.stride(0), x.stride(1), x.size(2)};
}
template <typename Number>
Heads<Number> mutable_heads_of(at::Tensor& x) {
  return {static_cast<Number*>(x.mutable_data_ptr()), x.stride(0), x.stride(1), x.size(2)};
}

// Queries begin … begin+queries-1 of a row and the keys first_key … first_key+keys-1 that any of
// them sees. Places count from the start of the row.
struct Block {
  int64_t begin, queries, first_key, keys;
};

Block block_at(int64_t begin, int64_t tokens, int64_t window) {
  const int64_t queries = std::min(kQueriesPerBlock, tokens - begin);
  const int64_t first = window > 0 ? std::max<int64_t>(0, begin - window + 1) : 0;
  return {begin, queries, first, begin + queries - first};
}

ScoreBlock scores_of(const Block& block, const AttentionOptions& options) {
  return {block.queries,  block.keys,    block.begin - block.first_key,
          options.window, options.scale, options.soft_cap};
}

// What all tasks of a call share.
struct Packed {
  std::vector<int64_t> starts;  // of rows that have tokens, and the end
  int64_t tokens, heads, group, width;
  AttentionOptions options;
  int64_t rows() const { return static_cast<int64_t>(starts.size()) - 1; }
};

Packed packed_of(const at::Tensor& q, const at::Tensor& k, const std::vector<int64_t>& starts,
                 const AttentionOptions& options) {
  Packed packed{{}, q.size(0), q.size(1), q.size(1) / k.size(1), q.size(2), options};
  for (const int64_t start : starts)
    if (packed.starts.empty() || start > packed.starts.back()) packed.starts.push_back(start);
  return packed;
}

// One head of one row, all its blocks, on one thread. Factor: the type in which it multiplies.
template <typename Number, typename Factor>
class HeadForward {
 public:
  using Wide = WideOf<Number>;

  HeadForward(const Packed& packed, const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
              Attended& attended)
      : packed_(packed),
        q_(heads_of<Number>(q)),
        k_(heads_of<Number>(k)),
        v_(heads_of<Number>(v)),
        out_(mutable_heads_of<Number>(attended.out)),
        log_sums_(attended.log_sum.mutable_data_ptr<Wide>()) {}

  void operator()(int64_t row, int64_t head) {
    const int64_t start = packed_.starts[static_cast<size_t>(row)];
    const int64_t tokens = packed_.starts[static_cast<size_t>(row) + 1] - start;
    const int64_t width = packed_.width, key_head = head / packed_.group;
    const auto q = factors<Factor>(q_.rows(start, head), tokens, width, q_scratch_);
    const auto k = factors<Factor>(k_.rows(start, key_head), tokens, width, k_scratch_);
    const auto v = factors<Factor>(v_.rows(start, key_head), tokens, width, v_scratch_);
    for (int64_t begin = 0; begin < tokens; begin += kQueriesPerBlock) {
      const Block block = block_at(begin, tokens, packed_.options.window);
      const Matrix<Wide> scores{score_scratch_.of(block.queries * block.keys), block.keys};
      const Matrix<Wide> mixed{mixed_scratch_.of(block.queries * width), width};
      block_product({block.queries, block.keys, width}, q.from_row(begin), Side::kPlain,
                    k.from_row(block.first_key), Side::kTransposed, scores);
      softmax_rows(scores.data, scores_of(block, packed_.options), inverse_sums_,
                   log_sums_ + head * packed_.tokens + start + begin);
      block_product({block.queries, width, block.keys},
                    rounded(scores.data, block.queries, block.keys, Side::kPlain, weight_scratch_),
                    Side::kPlain, v.from_row(block.first_key), Side::kPlain, mixed);
      const Matrix<Number> out = out_.rows(start + begin, head);
      store_rows(mixed.data, inverse_sums_, block.queries, width, out.data, out.stride);
    }
  }

 private:
  const Packed& packed_;
  Heads<const Number> q_, k_, v_;
  Heads<Number> out_;
  Wide* log_sums_;
  Wide inverse_sums_[kQueriesPerBlock];
  Scratch<Factor> q_scratch_, k_scratch_, v_scratch_, weight_scratch_;
  Scratch<Wide> score_scratch_, mixed_scratch_;
};

// One head of one row: its part of dq, and its share of dk and dv, which other heads add to.
template <typename Number, typename Factor>
class HeadBackward {
 public:
  using Wide = WideOf<Number>;

  // key_shares, value_shares [H, T, hd]
  HeadBackward(const Packed& packed, const at::Tensor& grad_out, const at::Tensor& q,
               const at::Tensor& k, const at::Tensor& v, const Attended& attended, at::Tensor& dq,
               Wide* key_shares, Wide* value_shares)
      : packed_(packed),
        grad_out_(heads_of<Number>(grad_out)),
        q_(heads_of<Number>(q)),
        k_(heads_of<Number>(k)),
        v_(heads_of<Number>(v)),
        out_(heads_of<Number>(attended.out)),
        dq_(mutable_heads_of<Number>(dq)),
        log_sums_(attended.log_sum.const_data_ptr<Wide>()),
        key_shares_(key_shares),
        value_shares_(value_shares) {}

  void operator()(int64_t row, int64_t head) {
    const int64_t start = packed_.starts[static_cast<size_t>(row)];
    const int64_t tokens = packed_.starts[static_cast<size_t>(row) + 1] - start;
    const int64_t width = packed_.width, key_head = head / packed_.group;
    const Matrix<const Number> grad = grad_out_.rows(start, head), out = out_.rows(start, head);
    const Operands in{factors<Factor>(q_.rows(start, head), tokens, width, scratch_[0]),
                      factors<Factor>(k_.rows(start, key_head), tokens, width, scratch_[1]),
                      factors<Factor>(v_.rows(start, key_head), tokens, width, scratch_[2]),
                      factors<Factor>(grad, tokens, width, scratch_[3])};
    Wide* shared = shared_.of(tokens);
    dot_rows(grad.data, grad.stride, out.data, out.stride, tokens, width, shared);
    const int64_t place = (head * packed_.tokens + start) * width;
    const Matrix<Wide> dk{key_shares_ + place, width}, dv{value_shares_ + place, width};
    std::fill_n(dk.data, tokens * width, Wide{0});
    std::fill_n(dv.data, tokens * width, Wide{0});
    const Wide* log_sums = log_sums_ + head * packed_.tokens + start;
    for (int64_t begin = 0; begin < tokens; begin += kQueriesPerBlock) {
      const Block block = block_at(begin, tokens, packed_.options.window);
      one_block(block, in, log_sums + begin, shared + begin, dq_.rows(start + begin, head), dk, dv);
    }
  }

 private:
  struct Operands {
    Matrix<const Factor> q, k, v, grad;
  };

  void one_block(const Block& block, const Operands& in, const Wide* log_sums, const Wide* shared,
                 Matrix<Number> dq, Matrix<Wide> dk, Matrix<Wide> dv) {
    const int64_t queries = block.queries, keys = block.keys, width = packed_.width;
    const auto q = in.q.from_row(block.begin), grad = in.grad.from_row(block.begin),
               k = in.k.from_row(block.first_key), v = in.v.from_row(block.first_key);
    const Matrix<Wide> weights{weight_scratch_.of(queries * keys), keys};
    const Matrix<Wide> slopes{slope_scratch_.of(queries * keys), keys};
    block_product({queries, keys, width}, q, Side::kPlain, k, Side::kTransposed, weights);
    block_product({queries, keys, width}, grad, Side::kPlain, v, Side::kTransposed, slopes);
    softmax_rows_backward(weights.data, slopes.data, scores_of(block, packed_.options), log_sums,
                          shared);
    block_product({keys, width, queries},
                  rounded(weights.data, queries, keys, Side::kTransposed, factor_scratch_),
                  Side::kTransposed, grad, Side::kPlain, dv.from_row(block.first_key),
                  Into::kAdded);
    block_product({keys, width, queries},
                  rounded(slopes.data, queries, keys, Side::kTransposed, factor_scratch_),
                  Side::kTransposed, q, Side::kPlain, dk.from_row(block.first_key), Into::kAdded);
    const Matrix<Wide> gradient{mixed_scratch_.of(queries * width), width};
    block_product({queries, width, keys},
                  rounded(slopes.data, queries, keys, Side::kPlain, factor_scratch_), Side::kPlain,
                  k, Side::kPlain, gradient);
    store_rows(gradient.data, nullptr, queries, width, dq.data, dq.stride);
  }

  const Packed& packed_;
  Heads<const Number> grad_out_, q_, k_, v_, out_;
  Heads<Number> dq_;
  const Wide* log_sums_;
  Wide *key_shares_, *value_shares_;
  Scratch<Factor> scratch_[4], factor_scratch_;
  Scratch<Wide> shared_, weight_scratch_, slope_scratch_, mixed_scratch_;
};

// Tasks are heads, and within a head rows: threads get equal shares of every row.
template <typename MakeTask>
void over_heads(const Packed& packed, const MakeTask& make_task) {
  const int64_t rows = packed.rows();
  parallel_for(0, packed.heads * rows, 1, [&](int64_t begin, int64_t end) {
    auto task = make_task();
    for (int64_t i = begin; i < end; ++i) task(i % rows, i / rows);
  });
}

// gradient [T, K, hd] = Σ over the query heads of a key head.
template <typename Number>
void add_shares(const Packed& packed, const WideOf<Number>* shares, at::Tensor& gradient) {
  const Heads<Number> out = mutable_heads_of<Number>(gradient);
  const int64_t key_heads = packed.heads / packed.group, width = packed.width;
  const int64_t first = packed.starts.front(), last = packed.starts.back();
  parallel_for(first, last, 256, [&](int64_t begin, int64_t end) {
    for (int64_t head = 0; head < key_heads; ++head) {
      const auto* source = shares + (head * packed.group * packed.tokens + begin) * width;
      const Matrix<Number> target = out.rows(begin, head);
      sum_rows(source, packed.tokens * width, packed.group, end - begin, width, target.data,
               target.stride);
    }
  });
}

template <typename Number, typename Factor>
Attended forward(const Packed& packed, const at::Tensor& q, const at::Tensor& k,
                 const at::Tensor& v) {
  const auto wide = q.options().dtype(std::is_same_v<Number, double> ? at::kDouble : at::kFloat);
  Attended attended{at::empty(q.sizes(), q.options()), at::empty({q.size(1), q.size(0)}, wide), {}};
  over_heads(packed, [&] { return HeadForward<Number, Factor>(packed, q, k, v, attended); });
  return attended;
}

struct Gradients {
  at::Tensor &q, &k, &v;
};

template <typename Number, typename Factor>
void backward(const Packed& packed, const at::Tensor& grad_out, const at::Tensor& q,
              const at::Tensor& k, const at::Tensor& v, const Attended& attended,
              Gradients gradients) {
  const at::Tensor shares =
      at::empty({2, packed.heads, packed.tokens, packed.width}, attended.log_sum.options());
  auto* key_shares = shares.mutable_data_ptr<WideOf<Number>>();
  auto* value_shares = key_shares + shares.stride(0);
  over_heads(packed, [&] {
    return HeadBackward<Number, Factor>(packed, grad_out, q, k, v, attended, gradients.q,
                                        key_shares, value_shares);
  });
  add_shares<Number>(packed, key_shares, gradients.k);
  add_shares<Number>(packed, value_shares, gradients.v);
}

}  // namespace

Attended attention_forward_cpu(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                               const std::vector<int64_t>& starts, const AttentionOptions& options,
                               bool multiplies_bfloat16) {
  const Packed packed = packed_of(q, k, starts, options);
  if (q.scalar_type() == at::kDouble) return forward<double, double>(packed, q, k, v);
  if (q.scalar_type() == at::kFloat) return forward<float, float>(packed, q, k, v);
  return multiplies_bfloat16 ? forward<BFloat16Bits, BFloat16Bits>(packed, q, k, v)
                             : forward<BFloat16Bits, float>(packed, q, k, v);
}

void attention_backward_cpu(const at::Tensor& grad_out, const at::Tensor& q, const at::Tensor& k,
                            const at::Tensor& v, const Attended& attended,
                            const std::vector<int64_t>& starts, const AttentionOptions& options,
                            at::Tensor& dq, at::Tensor& dk, at::Tensor& dv,
                            bool multiplies_bfloat16) {
  const Packed packed = packed_of(q, k, starts, options);
  const Gradients into{dq, dk, dv};
  if (q.scalar_type() == at::kDouble)
    backward<double, double>(packed, grad_out, q, k, v, attended, into);
  else if (q.scalar_type() == at::kFloat)
    backward<float, float>(packed, grad_out, q, k, v, attended, into);
  else if (multiplies_bfloat16)
    backward<BFloat16Bits, BFloat16Bits>(packed, grad_out, q, k, v, attended, into);
  else
    backward<BFloat16Bits, float>(packed, grad_out, q, k, v, attended, into);
}

}  // namespace slmtune::kernels
