// Uses a library that uses lazygumbel.
#include <parent.hpp>

int main() { return sum_of(lazygumbel::Vector<double>{{1.0, 2.0}}) == 3.0 ? 0 : 1; }
