#define LAZYGUMBEL_EXTERN  // definitions, not declarations
#include "lazygumbel/sampling/lazy_sampler.hpp"
