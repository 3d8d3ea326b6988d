#pragma once

#include <exception>
#include <stdexcept>
#include <string>
#include <utility>

namespace lazygumbel::testing {

/// The message of the Error that `body` throws; otherwise text that no message equals. Compare the
/// whole message with EXPECT_EQ: it is part of the interface.
template <class Error, class Body>
std::string message_of(Body&& body) {
  try {
    std::forward<Body>(body)();
  } catch (const Error& error) {
    return error.what();
  } catch (const std::exception& error) {
    return "(an exception of another type) " + std::string(error.what());
  }
  return "(nothing was thrown)";
}

/// The message with which `body` refuses an argument.
template <class Body>
std::string refusal(Body&& body) {
  return message_of<std::invalid_argument>(std::forward<Body>(body));
}

}  // namespace lazygumbel::testing
