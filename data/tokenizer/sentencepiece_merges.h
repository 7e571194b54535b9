// What a SentencePiece vocabulary means for byte-pair encoding, wherever it was read from.
// SentencePiece joins the two neighbours whose joined text is the piece with the highest score, so
// every way to cut a piece into two is a merge with the rank of its score
// (https://github.com/google/sentencepiece, src/bpe_model.cc; llama.cpp does the same).
#pragma once
#include <span>

#include "data/tokenizer/sentencepiece_model.h"
#include "data/tokenizer/tokenizer_file.h"

namespace slmtune::data {

// Fills options.byte_tokens from the pieces of kind kByte. False, and nothing is filled, unless all
// 256 are there. Precondition: each names a byte.
bool find_byte_tokens(std::span<const SentencePieceModel::Piece> pieces,
                      BytePairEncoder::Options& options);

// Fills the merges and the bare characters. Index = id; texts are UTF-8 and outlive the call,
// scores are finite. Preconditions: `file` has its pieces, is_in_model and byte tokens. F031 a
// vocabulary that merges alone do not describe, F032 a piece too long; errors name `source`.
void make_sentencepiece_merges(std::span<const SentencePieceModel::Piece> pieces,
                               const TokenizerSource& source, TokenizerFile& file);

}  // namespace slmtune::data
