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

// Enough rows for the matrix kernels, few enough that a block's scores stay in the cache and that
// little is computed behind the diagonal. A block of the forward pass has all keys that it sees;
// the backward pass takes these a chunk at a time, so that what all blocks add to stays there, too.
constexpr int64_t kForwardQueries = 56, kBackwardQueries = 256, kKeysPerChunk = 64;

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

// Queries begin … begin+queries-1 of a row and keys first_key … first_key+keys-1 of those that they
// see. Places count from the start of the row.
struct Block {
  int64_t begin, queries, first_key, keys;
};

ScoreBlock scores_of(const Block& block, const AttentionOptions& options) {
  return {block.queries,  block.keys,    block.begin - block.first_key,
          options.window, options.scale, options.soft_cap};
}

// Tokens of a row.
struct Span {
  int64_t start, tokens;
};

// What all tasks of a call share.
struct Packed {
  std::vector<int64_t> starts;  // of rows that have tokens, and the end
  int64_t tokens, heads, group, width;
  AttentionOptions options;

  int64_t rows() const { return static_cast<int64_t>(starts.size()) - 1; }
  Span span(int64_t row) const {
    const auto i = static_cast<size_t>(row);
    return {starts[i], starts[i + 1] - starts[i]};
  }
  // The first key that a query sees, or one before it where a panel begins.
  int64_t first_seen_by(int64_t query) const {
    if (options.window <= 0) return 0;
    return std::max<int64_t>(0, query - options.window + 1) / kPanelColumns * kPanelColumns;
  }
};

// A key head of a row.
struct KeyHead {
  int64_t row = -1, head = -1;
  bool operator==(const KeyHead&) const = default;
};

Packed packed_of(const at::Tensor& q, const at::Tensor& k, const std::vector<int64_t>& starts,
                 const AttentionOptions& options) {
  Packed packed{{}, q.size(0), q.size(1), q.size(1) / k.size(1), q.size(2), options};
  for (const int64_t start : starts)
    if (packed.starts.empty() || start > packed.starts.back()) packed.starts.push_back(start);
  return packed;
}

// One head of one row, all its blocks, on one thread. Factor: the type in which it multiplies. The
// heads of a key head that come one after the other share its packed keys and values.
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
    const Span span = packed_.span(row);
    take_keys({row, head / packed_.group}, span);
    const auto q =
        factors<Factor>(q_.rows(span.start, head), span.tokens, packed_.width, q_scratch_);
    for (int64_t begin = 0; begin < span.tokens; begin += kForwardQueries) {
      const int64_t queries = std::min(kForwardQueries, span.tokens - begin),
                    first = packed_.first_seen_by(begin);
      one_block({begin, queries, first, begin + queries - first}, q,
                log_sums_ + head * packed_.tokens + span.start + begin,
                out_.rows(span.start + begin, head));
    }
  }

 private:
  void take_keys(KeyHead wanted, const Span& span) {
    if (std::exchange(held_, wanted) == wanted) return;
    const int64_t width = packed_.width;
    keys_.take(factors<Factor>(k_.rows(span.start, wanted.head), span.tokens, width, k_scratch_),
               Side::kTransposed, width, span.tokens);
    values_.take(factors<Factor>(v_.rows(span.start, wanted.head), span.tokens, width, v_scratch_),
                 Side::kPlain, span.tokens, width);
  }

  void one_block(const Block& block, Matrix<const Factor> q, Wide* log_sums, Matrix<Number> out) {
    const int64_t queries = block.queries, keys = block.keys, width = packed_.width;
    const Matrix<Wide> scores{score_scratch_.of(queries * keys), keys};
    const Matrix<Wide> mixed{mixed_scratch_.of(queries * width), width};
    block_product({queries, keys, width}, q.from_row(block.begin), Side::kPlain,
                  keys_.from_row(block.first_key), scores);
    softmax_rows(scores.data, scores_of(block, packed_.options), inverse_sums_, log_sums);
    block_product({queries, width, keys},
                  rounded(scores.data, queries, keys, Side::kPlain, weight_scratch_), Side::kPlain,
                  values_.from_row(block.first_key), mixed);
    store_rows(mixed.data, inverse_sums_, queries, width, out.data, out.stride);
  }

  const Packed& packed_;
  Heads<const Number> q_, k_, v_;
  Heads<Number> out_;
  Wide* log_sums_;
  Wide inverse_sums_[kForwardQueries];
  KeyHead held_;
  SharedRight<Factor> keys_, values_;
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
    const Span span = packed_.span(row);
    const int64_t tokens = span.tokens, width = packed_.width;
    take_keys({row, head / packed_.group}, span);
    const Matrix<const Number> grad = grad_out_.rows(span.start, head),
                               out = out_.rows(span.start, head);
    Wide* shared = shared_.of(tokens);
    dot_rows(grad.data, grad.stride, out.data, out.stride, tokens, width, shared);
    const int64_t place = (head * packed_.tokens + span.start) * width;
    const auto q = factors<Factor>(q_.rows(span.start, head), tokens, width, q_scratch_),
               grad_rows = factors<Factor>(grad, tokens, width, grad_scratch_);
    queries_.take(q, Side::kPlain, tokens, width);
    gradients_.take(grad_rows, Side::kPlain, tokens, width);
    const Operands operands{factors<Factor>(q_.rows(span.start, head), tokens, width, q_scratch_),
                            factors<Factor>(grad, tokens, width, grad_scratch_),
                            log_sums_ + head * packed_.tokens + span.start,
                            shared,
                            {sum_scratch_.of(tokens * width), width},
                            {key_shares_ + place, width},
                            {value_shares_ + place, width}};
    for (const Matrix<Wide>& sums : {operands.dq, operands.dk, operands.dv})
      std::fill_n(sums.data, tokens * width, Wide{0});
    for (int64_t first = 0; first < tokens; first += kKeysPerChunk)
      one_chunk(first, std::min(first + kKeysPerChunk, tokens), tokens, operands);
    const Matrix<Number> dq = dq_.rows(span.start, head);
    store_rows(operands.dq.data, nullptr, tokens, width, dq.data, dq.stride);
  }

 private:
  struct Operands {
    Matrix<const Factor> q, grad;
    const Wide *log_sums, *shared;
    Matrix<Wide> dq, dk, dv;
  };

  void take_keys(KeyHead wanted, const Span& span) {
    if (std::exchange(held_, wanted) == wanted) return;
    const int64_t tokens = span.tokens, width = packed_.width;
    const auto k = factors<Factor>(k_.rows(span.start, wanted.head), tokens, width, k_scratch_),
               v = factors<Factor>(v_.rows(span.start, wanted.head), tokens, width, v_scratch_);
    keys_.take(k, Side::kPlain, tokens, width);
    transposed_keys_.take(k, Side::kTransposed, width, tokens);
    transposed_values_.take(v, Side::kTransposed, width, tokens);
  }

  // What the queries of a row owe to the keys first … end-1.
  void one_chunk(int64_t first, int64_t end, int64_t tokens, const Operands& operands) {
    for (int64_t begin = first; begin < tokens && packed_.first_seen_by(begin) < end;
         begin += kBackwardQueries) {
      const int64_t queries = std::min(kBackwardQueries, tokens - begin);
      one_block({begin, queries, first, std::min(end, begin + queries) - first}, operands);
    }
  }

  void one_block(const Block& block, const Operands& operands) {
    const int64_t queries = block.queries, keys = block.keys, width = packed_.width;
    const auto q = operands.q.from_row(block.begin), grad = operands.grad.from_row(block.begin);
    const Matrix<Wide> weights{weight_scratch_.of(queries * keys), keys};
    const Matrix<Wide> slopes{slope_scratch_.of(queries * keys), keys};
    block_product({queries, keys, width}, q, Side::kPlain,
                  transposed_keys_.from_row(block.first_key), weights);
    block_product({queries, keys, width}, grad, Side::kPlain,
                  transposed_values_.from_row(block.first_key), slopes);
    softmax_rows_backward(weights.data, slopes.data, scores_of(block, packed_.options),
                          operands.log_sums + block.begin, operands.shared + block.begin);
    block_product({keys, width, queries},
                  rounded(weights.data, queries, keys, Side::kTransposed, factor_scratch_),
                  Side::kTransposed, gradients_.from_row(block.begin),
                  operands.dv.from_row(block.first_key), Into::kAdded);
    block_product({keys, width, queries},
                  rounded(slopes.data, queries, keys, Side::kTransposed, factor_scratch_),
                  Side::kTransposed, queries_.from_row(block.begin),
                  operands.dk.from_row(block.first_key), Into::kAdded);
    block_product({queries, width, keys},
                  rounded(slopes.data, queries, keys, Side::kPlain, factor_scratch_), Side::kPlain,
                  keys_.from_row(block.first_key), operands.dq.from_row(block.begin), Into::kAdded);
  }

  const Packed& packed_;
  Heads<const Number> grad_out_, q_, k_, v_, out_;
  Heads<Number> dq_;
  const Wide* log_sums_;
  Wide *key_shares_, *value_shares_;
  KeyHead held_;
  SharedRight<Factor> keys_, transposed_keys_, transposed_values_, queries_, gradients_;
  Scratch<Factor> q_scratch_, k_scratch_, v_scratch_, grad_scratch_, factor_scratch_;
  Scratch<Wide> shared_, weight_scratch_, slope_scratch_, sum_scratch_;
};

// Tasks are key heads, within these rows, and within these heads: threads get about equal shares of
// every row, and what heads share lies one after the other.
template <typename MakeTask>
void over_heads(const Packed& packed, const MakeTask& make_task) {
  const int64_t rows = packed.rows(), group = packed.group;
  parallel_for(0, packed.heads * rows, 1, [&](int64_t begin, int64_t end) {
    auto task = make_task();
    for (int64_t i = begin; i < end; ++i)
      task(i / group % rows, i / (group * rows) * group + i % group);
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
