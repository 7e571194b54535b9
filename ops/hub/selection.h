// Which of a repository's files a model folder needs: config, tokenizer, chat template and
// safetensors weights at the top of the repository, and nothing else (no pickles, no second copies
// in other formats, no pictures).
#pragma once
#include <string>
#include <vector>

#include "ops/hub/listing.h"

namespace slmtune::ops {

// Sorted by name. `where` names the repository in messages. H005 when there is no config.json, no
// safetensors weights in the layout of transformers, or a shard is missing.
std::vector<RemoteFile> select_files(const std::vector<RemoteFile>& files,
                                     const std::string& where);

}  // namespace slmtune::ops
