#include "kernels/attention/attention_cpu.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <algorithm>
#include <memory>
#include <new>
#include <type_traits>
#include <utility>

#include "kernels/attention/attention_rows.h"
#include "kernels/matmul/tiled_product.h"
#include "kernels/parallel.h"

// The BLAS inside LibTorch; called inside parallel_for it runs on the calling thread.
extern "C" {
void sgemm_(const char* trans_a, const char* trans_b, const int* m, const int* n, const int* k,
            const float* alpha, const float* a, const int* lda, const float* b, const int* ldb,
            const float* beta, float* c, const int* ldc);
void dgemm_(const char* trans_a, const char* trans_b, const int* m, const int* n, const int* k,
            const double* alpha, const double* a, const int* lda, const double* b, const int* ldb,
            const double* beta, double* c, const int* ldc);
}

namespace slmtune::kernels {
namespace {

// Enough rows for the matrix kernels; few enough that the scores of a block stay in the cache and
// that little is computed behind the diagonal.
constexpr int64_t kQueriesPerBlock = 64;

// A matrix by rows, `stride` numbers apart.
template <typename Number>
struct Matrix {
  Number* data;
  int64_t stride;
  Matrix from_row(int64_t row) const { return {data + row * stride, stride}; }
};

enum class Side { kPlain, kTransposed };

enum class Into { kFresh, kAdded };

// c [m, n] = a · b, or added to c, with a [m, k] and b [k, n] after transposing. BLAS counts
// columns first, so it is asked for the transposed product. Never with a factor: with one, MKL's
// last bit depends on the number of threads.
template <typename Wide>
void product(int64_t m, int64_t n, int64_t k, Matrix<const Wide> a, Side a_side,
             Matrix<const Wide> b, Side b_side, Matrix<Wide> c, Into into = Into::kFresh) {
  if constexpr (std::is_same_v<Wide, float>) {
    static const bool is_ours = has_tiled_product<float>();
    if (is_ours)
      return multiply_tiled<float>({.a = {a.data, a.stride, a_side == Side::kTransposed},
                                    .b = {b.data, b.stride, b_side == Side::kTransposed},
                                    .out = c.data,
                                    .out_stride = c.stride,
                                    .rows = m,
                                    .inner = k,
                                    .columns = n,
                                    .addend = into == Into::kAdded ? c.data : nullptr,
                                    .addend_stride = c.stride});
  }
  const char first = b_side == Side::kTransposed ? 'T' : 'N';
  const char second = a_side == Side::kTransposed ? 'T' : 'N';
  const auto rows = static_cast<int>(n), columns = static_cast<int>(m), inner = static_cast<int>(k);
  const auto a_stride = static_cast<int>(a.stride), b_stride = static_cast<int>(b.stride),
             c_stride = static_cast<int>(c.stride);
  const Wide alpha{1}, beta{into == Into::kAdded ? Wide{1} : Wide{0}};
  if constexpr (std::is_same_v<Wide, float>)
    sgemm_(&first, &second, &rows, &columns, &inner, &alpha, b.data, &b_stride, a.data, &a_stride,
           &beta, c.data, &c_stride);
  else
    dgemm_(&first, &second, &rows, &columns, &inner, &alpha, b.data, &b_stride, a.data, &a_stride,
           &beta, c.data, &c_stride);
}

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

// Memory of one thread, grown as needed. Aligned, because BLAS chooses its instructions, and with
// them the last bit, by the alignment of what it is given.
template <typename Wide>
class Scratch {
 public:
  Wide* of(int64_t count) {
    if (count > capacity_) {
      data_.reset(new (kAlignment) Wide[static_cast<size_t>(count)]);
      capacity_ = count;
    }
    return data_.get();
  }

 private:
  static constexpr std::align_val_t kAlignment{64};
  struct Free {
    void operator()(Wide* data) const { ::operator delete[](data, kAlignment); }
  };
  std::unique_ptr<Wide[], Free> data_;
  int64_t capacity_ = 0;
};

// Rows of one head in the type of the arithmetic: bfloat16 is widened into `scratch`, others stay
// where they are.
template <typename Wide, typename Number>
Matrix<const Wide> widened(Matrix<const Number> rows, int64_t count, int64_t width,
                           Scratch<Wide>& scratch) {
  if constexpr (std::is_same_v<Wide, Number>) {
    return rows;
  } else {
    float* out = scratch.of(count * width);
    widen_rows(rows.data, rows.stride, count, width, out);
    return {out, width};
  }
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

// One head of one row, all its blocks, on one thread.
template <typename Number, typename Wide>
class HeadForward {
 public:
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
    const auto q = widened(q_.rows(start, head), tokens, width, q_scratch_);
    const auto k = widened(k_.rows(start, key_head), tokens, width, k_scratch_);
    const auto v = widened(v_.rows(start, key_head), tokens, width, v_scratch_);
    for (int64_t begin = 0; begin < tokens; begin += kQueriesPerBlock) {
      const Block block = block_at(begin, tokens, packed_.options.window);
      const Matrix<Wide> scores{score_scratch_.of(block.queries * block.keys), block.keys};
      const Matrix<Wide> mixed{mixed_scratch_.of(block.queries * width), width};
      product<Wide>(block.queries, block.keys, width, q.from_row(begin), Side::kPlain,
                    k.from_row(block.first_key), Side::kTransposed, scores);
      softmax_rows(scores.data, scores_of(block, packed_.options), inverse_sums_,
                   log_sums_ + head * packed_.tokens + start + begin);
      product<Wide>(block.queries, width, block.keys, {scores.data, scores.stride}, Side::kPlain,
                    v.from_row(block.first_key), Side::kPlain, mixed);
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
  Scratch<Wide> q_scratch_, k_scratch_, v_scratch_, score_scratch_, mixed_scratch_;
};

// One head of one row: its part of dq, and its share of dk and dv, which other heads add to.
template <typename Number, typename Wide>
class HeadBackward {
 public:
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
    const Operands in{widened(q_.rows(start, head), tokens, width, scratch_[0]),
                      widened(k_.rows(start, key_head), tokens, width, scratch_[1]),
                      widened(v_.rows(start, key_head), tokens, width, scratch_[2]),
                      widened(grad_out_.rows(start, head), tokens, width, scratch_[3])};
    const auto out = widened(out_.rows(start, head), tokens, width, scratch_[4]);
    Wide* shared = shared_.of(tokens);
    dot_rows(in.grad.data, in.grad.stride, out.data, out.stride, tokens, width, shared);
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
    Matrix<const Wide> q, k, v, grad;
  };

  void one_block(const Block& block, const Operands& in, const Wide* log_sums, const Wide* shared,
                 Matrix<Number> dq, Matrix<Wide> dk, Matrix<Wide> dv) {
    const int64_t width = packed_.width;
    const auto q = in.q.from_row(block.begin), grad = in.grad.from_row(block.begin),
               k = in.k.from_row(block.first_key), v = in.v.from_row(block.first_key);
    const Matrix<Wide> weights{weight_scratch_.of(block.queries * block.keys), block.keys};
    const Matrix<Wide> slopes{slope_scratch_.of(block.queries * block.keys), block.keys};
    product<Wide>(block.queries, block.keys, width, q, Side::kPlain, k, Side::kTransposed, weights);
    product<Wide>(block.queries, block.keys, width, grad, Side::kPlain, v, Side::kTransposed,
                  slopes);
    softmax_rows_backward(weights.data, slopes.data, scores_of(block, packed_.options), log_sums,
                          shared);
    const Matrix<const Wide> p{weights.data, block.keys}, ds{slopes.data, block.keys};
    product<Wide>(block.keys, width, block.queries, p, Side::kTransposed, grad, Side::kPlain,
                  dv.from_row(block.first_key), Into::kAdded);
    product<Wide>(block.keys, width, block.queries, ds, Side::kTransposed, q, Side::kPlain,
                  dk.from_row(block.first_key), Into::kAdded);
    const Matrix<Wide> gradient{mixed_scratch_.of(block.queries * width), width};
    product<Wide>(block.queries, width, block.keys, ds, Side::kPlain, k, Side::kPlain, gradient);
    store_rows(gradient.data, nullptr, block.queries, width, dq.data, dq.stride);
  }

  const Packed& packed_;
  Heads<const Number> grad_out_, q_, k_, v_, out_;
  Heads<Number> dq_;
  const Wide* log_sums_;
  Wide *key_shares_, *value_shares_;
  Scratch<Wide> scratch_[5], shared_, weight_scratch_, slope_scratch_, mixed_scratch_;
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
template <typename Number, typename Wide>
void add_shares(const Packed& packed, const Wide* shares, at::Tensor& gradient) {
  const Heads<Number> out = mutable_heads_of<Number>(gradient);
  const int64_t key_heads = packed.heads / packed.group, width = packed.width;
  const int64_t first = packed.starts.front(), last = packed.starts.back();
  parallel_for(first, last, 256, [&](int64_t begin, int64_t end) {
    for (int64_t head = 0; head < key_heads; ++head) {
      const Wide* source = shares + (head * packed.group * packed.tokens + begin) * width;
      const Matrix<Number> target = out.rows(begin, head);
      sum_rows(source, packed.tokens * width, packed.group, end - begin, width, target.data,
               target.stride);
    }
  });
}

template <typename Number, typename Wide>
Attended forward(const Packed& packed, const at::Tensor& q, const at::Tensor& k,
                 const at::Tensor& v) {
  const auto wide = q.options().dtype(std::is_same_v<Wide, double> ? at::kDouble : at::kFloat);
  Attended attended{at::empty(q.sizes(), q.options()), at::empty({q.size(1), q.size(0)}, wide), {}};
  over_heads(packed, [&] { return HeadForward<Number, Wide>(packed, q, k, v, attended); });
  return attended;
}

struct Gradients {
  at::Tensor &q, &k, &v;
};

template <typename Number, typename Wide>
void backward(const Packed& packed, const at::Tensor& grad_out, const at::Tensor& q,
              const at::Tensor& k, const at::Tensor& v, const Attended& attended,
              Gradients gradients) {
  const at::Tensor shares =
      at::empty({2, packed.heads, packed.tokens, packed.width}, attended.log_sum.options());
  Wide* key_shares = shares.mutable_data_ptr<Wide>();
  Wide* value_shares = key_shares + shares.stride(0);
  over_heads(packed, [&] {
    return HeadBackward<Number, Wide>(packed, grad_out, q, k, v, attended, gradients.q, key_shares,
                                      value_shares);
  });
  add_shares<Number, Wide>(packed, key_shares, gradients.k);
  add_shares<Number, Wide>(packed, value_shares, gradients.v);
}

}  // namespace

Attended attention_forward_cpu(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                               const std::vector<int64_t>& starts,
                               const AttentionOptions& options) {
  const Packed packed = packed_of(q, k, starts, options);
  if (q.scalar_type() == at::kDouble) return forward<double, double>(packed, q, k, v);
  if (q.scalar_type() == at::kFloat) return forward<float, float>(packed, q, k, v);
  return forward<BFloat16Bits, float>(packed, q, k, v);
}

void attention_backward_cpu(const at::Tensor& grad_out, const at::Tensor& q, const at::Tensor& k,
                            const at::Tensor& v, const Attended& attended,
                            const std::vector<int64_t>& starts, const AttentionOptions& options,
                            at::Tensor& dq, at::Tensor& dk, at::Tensor& dv) {
  const Packed packed = packed_of(q, k, starts, options);
  const Gradients gradients{dq, dk, dv};
  if (q.scalar_type() == at::kDouble)
    backward<double, double>(packed, grad_out, q, k, v, attended, gradients);
  else if (q.scalar_type() == at::kFloat)
    backward<float, float>(packed, grad_out, q, k, v, attended, gradients);
  else
    backward<BFloat16Bits, float>(packed, grad_out, q, k, v, attended, gradients);
}

}  // namespace slmtune::kernels
