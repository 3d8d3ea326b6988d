#pragma once

namespace lazygumbel {

enum class Neighbours { replace_one, add_remove };

}  // namespace lazygumbel
