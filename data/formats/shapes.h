// The shapes that registry.cpp lists; one source file each.
#pragma once
#include "data/formats/format.h"

namespace slmtune::data {

Format preference_format();
Format kto_format();
Format messages_format();
Format sharegpt_format();
Format alpaca_format();
Format completion_format();
Format qa_format();
Format text_format();
Format tokens_format();

}  // namespace slmtune::data
