#include "kernels/attention/library_attention.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <optional>
#include <tuple>

#include "core/error.h"
#include "kernels/attention/attention_path.h"

namespace slmtune::kernels {
namespace {

using OptionalTensor = std::optional<at::Tensor>;
using OptionalInteger = std::optional<int64_t>;

// LibTorch has a second overload, for quantised q, k and v, whose optional arguments would swallow
// ours. A pointer of this very type is the one for packed rows, or does not compile.
using FlashForward = std::tuple<at::Tensor, at::Tensor, at::Tensor, at::Tensor, at::Tensor> (*)(
    const at::Tensor& query, const at::Tensor& key, const at::Tensor& value,
    const OptionalTensor& cum_seq_q, const OptionalTensor& cum_seq_k, int64_t max_q, int64_t max_k,
    double dropout, bool is_causal, bool return_debug_mask, std::optional<double> scale,
    OptionalInteger window_size_left, OptionalInteger window_size_right,
    const OptionalTensor& seqused_k, const OptionalTensor& alibi_slopes);
constexpr FlashForward call_flash_forward = &at::_flash_attention_forward;

using FlashBackward = std::tuple<at::Tensor, at::Tensor, at::Tensor> (*)(
    const at::Tensor& grad_out, const at::Tensor& query, const at::Tensor& key,
    const at::Tensor& value, const at::Tensor& out, const at::Tensor& logsumexp,
    const at::Tensor& cum_seq_q, const at::Tensor& cum_seq_k, int64_t max_q, int64_t max_k,
    double dropout, bool is_causal, const at::Tensor& rng_state, const at::Tensor& unused,
    std::optional<double> scale, OptionalInteger window_size_left,
    OptionalInteger window_size_right);
constexpr FlashBackward call_flash_backward = &at::_flash_attention_backward;

using EfficientForward =
    std::tuple<at::Tensor, at::Tensor, at::Tensor, at::Tensor, c10::SymInt, c10::SymInt> (*)(
        const at::Tensor& query, const at::Tensor& key, const at::Tensor& value,
        const OptionalTensor& bias, const OptionalTensor& cu_seqlens_q,
        const OptionalTensor& cu_seqlens_k, OptionalInteger max_seqlen_q,
        OptionalInteger max_seqlen_k, double dropout, int64_t custom_mask_type,
        bool compute_log_sumexp, std::optional<double> scale, const OptionalTensor& seqlen_k,
        OptionalInteger window_size);
constexpr EfficientForward call_efficient_forward = &at::_efficient_attention_forward;

using EfficientBackward = std::tuple<at::Tensor, at::Tensor, at::Tensor, at::Tensor> (*)(
    const at::Tensor& grad_out, const at::Tensor& query, const at::Tensor& key,
    const at::Tensor& value, const OptionalTensor& bias, const at::Tensor& out,
    const OptionalTensor& cu_seqlens_q, const OptionalTensor& cu_seqlens_k, int64_t max_seqlen_q,
    int64_t max_seqlen_k, const at::Tensor& logsumexp, double dropout,
    const at::Tensor& philox_seed, const at::Tensor& philox_offset, int64_t custom_mask_type,
    bool bias_requires_grad, std::optional<double> scale, OptionalInteger num_splits_key,
    OptionalInteger window_size, bool shared_storage_dqdkdv);
constexpr EfficientBackward call_efficient_backward = &at::_efficient_attention_backward;

constexpr double kNoDropout = 0.0;
constexpr int64_t kCausal = 1;  // sdp::CustomMaskType::CausalFromTopLeft
constexpr int64_t kOneSplit =
    1;  // parts of the keys that add to one dq: with one, in a fixed order

// [T, K, hd] -> [1, T, H, hd]: efficient attention wants as many key heads as query heads.
at::Tensor expanded(const at::Tensor& x, int64_t heads) {
  const int64_t group = heads / x.size(1);
  const at::Tensor wide = group == 1 ? x
                                     : x.unsqueeze(2)
                                           .expand({x.size(0), x.size(1), group, x.size(2)})
                                           .reshape({x.size(0), heads, x.size(2)});
  return wide.unsqueeze(0);
}

// The other way round: the sum over the query heads of a key head.
at::Tensor folded(const at::Tensor& gradient, int64_t key_heads) {
  const at::Tensor x = gradient.squeeze(0);
  if (x.size(1) == key_heads) return x;
  return x.reshape({x.size(0), key_heads, x.size(1) / key_heads, x.size(2)}).sum(2);
}

OptionalInteger efficient_window(const AttentionOptions& options, const RowStarts& rows) {
  const int64_t window = noticed_window(options.window, rows.longest);
  return window > 0 ? OptionalInteger(window) : std::nullopt;
}

// No more than there are tokens: the backward pass refuses that.
int64_t efficient_longest(const at::Tensor& q, const RowStarts& rows) {
  return std::min(rows.longest, q.size(0));
}

}  // namespace

FlashWindow flash_window(const AttentionOptions& options, const RowStarts& rows) {
  const int64_t window = noticed_window(options.window, rows.longest);
  if (window == 0) return {};
  return {window - 1, 0};
}

int64_t flash_longest(const RowStarts& rows) {
  return std::max<int64_t>(2, rows.longest);
}

Attended flash_forward(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                       const RowStarts& rows, const AttentionOptions& options) {
  const auto [left, right] = flash_window(options, rows);
  const int64_t longest = flash_longest(rows);
  const auto [out, log_sum, state, unused, debug] = call_flash_forward(
      q, k, v, rows.offsets, rows.offsets, longest, longest, kNoDropout, /*is_causal=*/true,
      /*return_debug_mask=*/false, options.scale, left, right, std::nullopt, std::nullopt);
  return {out, log_sum, {state, unused}};
}

AttentionGradients flash_backward(const at::Tensor& grad_out, const at::Tensor& q,
                                  const at::Tensor& k, const at::Tensor& v,
                                  const Attended& attended, const RowStarts& rows,
                                  const AttentionOptions& options) {
  const auto [left, right] = flash_window(options, rows);
  const int64_t longest = flash_longest(rows);
  const auto [dq, dk, dv] =
      call_flash_backward(grad_out, q, k, v, attended.out, attended.log_sum, rows.offsets,
                          rows.offsets, longest, longest, kNoDropout, /*is_causal=*/true,
                          attended.extra[0], attended.extra[1], options.scale, left, right);
  return {dq, dk, dv};
}

Attended efficient_forward(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                           const RowStarts& rows, const AttentionOptions& options) {
  const int64_t heads = q.size(1), longest = efficient_longest(q, rows);
  const auto [out, log_sum, seed, offset, longest_q, longest_k] = call_efficient_forward(
      q.unsqueeze(0), expanded(k, heads), expanded(v, heads), std::nullopt, rows.offsets,
      rows.offsets, longest, longest, kNoDropout, kCausal, /*compute_log_sumexp=*/true,
      options.scale, std::nullopt, efficient_window(options, rows));
  return {out.squeeze(0), log_sum, {seed, offset}};
}

AttentionGradients efficient_backward(const at::Tensor& grad_out, const at::Tensor& q,
                                      const at::Tensor& k, const at::Tensor& v,
                                      const Attended& attended, const RowStarts& rows,
                                      const AttentionOptions& options) {
  const int64_t heads = q.size(1), longest = efficient_longest(q, rows);
  const auto [dq, dk, dv, unused] = call_efficient_backward(
      grad_out.unsqueeze(0), q.unsqueeze(0), expanded(k, heads), expanded(v, heads), std::nullopt,
      attended.out.unsqueeze(0), rows.offsets, rows.offsets, longest, longest, attended.log_sum,
      kNoDropout, attended.extra[0], attended.extra[1], kCausal, /*bias_requires_grad=*/false,
      options.scale, kOneSplit, efficient_window(options, rows), /*shared_storage_dqdkdv=*/false);
  return {dq.squeeze(0), folded(dk, k.size(1)), folded(dv, k.size(1))};
}

}  // namespace slmtune::kernels
