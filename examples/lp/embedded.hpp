#pragma once

namespace private_lp {

/// vehicle_charging.lp, as it was when the program was built.
extern const char* const vehicle_charging;

}  // namespace private_lp
