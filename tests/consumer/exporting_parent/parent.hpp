#pragma once

#include <lazygumbel/core/types.hpp>

double sum_of(const lazygumbel::Vector<double>& numbers);
