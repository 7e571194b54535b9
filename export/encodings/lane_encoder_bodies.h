// For lane_encoders_*.cpp only: the table of lane_encoders.h for the instruction set of the file
// that includes this. kSet makes the functions of each set their own.
#pragma once
#include "export/encodings/blocks_of_32.h"
#include "export/encodings/iq4_nl.h"
#include "export/encodings/lane_encoders.h"
#include "export/encodings/q2_k.h"
#include "export/encodings/q3_k.h"
#include "export/encodings/q4_k.h"
#include "export/encodings/q5_k.h"
#include "export/encodings/q6_k.h"

namespace slmtune::exporting {

template <int kSet>
struct LaneEncoderBodies {
  using In = std::span<const float>;

  template <int kBits>
  static void symmetric(In in, std::byte* out) {
    blocks_of_32::encode_symmetric<kBits>(in, out);
  }
  template <int kBits>
  static void with_minimum(In in, std::byte* out) {
    blocks_of_32::encode_with_minimum<kBits>(in, out);
  }
  template <int kBits, bool kMinimum>
  static void weighted(In row, const float* importance, std::byte* out) {
    blocks_of_32::encode_weighted_row<kBits, kMinimum>(row, importance, out);
  }
  static void iq4_nl_plain(In in, std::byte* out) { iq4_nl::encode_blocks(in, nullptr, out); }
  static void iq4_nl_weighted(In row, const float* importance, std::byte* out) {
    iq4_nl::encode_blocks(row, importance, out);
  }
  static void q2_k_plain(In in, std::byte* out) { q2_k::encode_plain(in, out); }
  static void q2_k_weighted(In row, const float* importance, std::byte* out) {
    q2_k::encode_weighted(row, importance, out);
  }
  static void q3_k_plain(In in, std::byte* out) { q3_k::encode_plain(in, out); }
  static void q3_k_weighted(In row, const float* importance, std::byte* out) {
    q3_k::encode_weighted(row, importance, out);
  }
  template <typename Form>
  static void k_plain(In in, std::byte* out) {
    k_blocks::EncodeWithMinimum<Form>::encode_all(in, nullptr, out);
  }
  template <typename Form>
  static void k_weighted(In row, const float* importance, std::byte* out) {
    k_blocks::EncodeWithMinimum<Form>::encode_all(row, importance, out);
  }
  static void q6_k_plain(In in, std::byte* out) { k_blocks::q6_k::encode_all(in, nullptr, out); }
  static void q6_k_weighted(In row, const float* importance, std::byte* out) {
    k_blocks::q6_k::encode_all(row, importance, out);
  }

  static constexpr LaneEncoders kTable = {
      .q4_0 = {symmetric<4>, weighted<4, false>},
      .q4_1 = {with_minimum<4>, weighted<4, true>},
      .q5_0 = {symmetric<5>, weighted<5, false>},
      .q5_1 = {with_minimum<5>, weighted<5, true>},
      .iq4_nl = {iq4_nl_plain, iq4_nl_weighted},
      .q2_k = {q2_k_plain, q2_k_weighted},
      .q3_k = {q3_k_plain, q3_k_weighted},
      .q4_k = {k_plain<k_blocks::Q4K>, k_weighted<k_blocks::Q4K>},
      .q5_k = {k_plain<k_blocks::Q5K>, k_weighted<k_blocks::Q5K>},
      .q6_k = {q6_k_plain, q6_k_weighted}};
};

}  // namespace slmtune::exporting
