// Compiled with AVX2 (export/CMakeLists.txt). Nothing here may be shared with code for other
// processors: all that it includes is inlined.
#include "export/encodings/lane_encoders.h"

#if defined(__x86_64__)
#include "export/encodings/lane_encoder_bodies.h"

namespace slmtune::exporting {

const LaneEncoders kAvx2LaneEncoders = LaneEncoderBodies<kRegister>::kTable;

}  // namespace slmtune::exporting

#endif
