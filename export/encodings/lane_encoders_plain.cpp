// For every processor of the kind.
#include "export/encodings/lane_encoder_bodies.h"

namespace slmtune::exporting {

const LaneEncoders kPlainLaneEncoders = LaneEncoderBodies<kRegister>::kTable;

}  // namespace slmtune::exporting
