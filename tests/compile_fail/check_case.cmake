# Builds CASE_passes, which must succeed, and CASE_fails, which must fail and say EXPECT.
foreach(variant passes fails)
  execute_process(
    COMMAND ${CMAKE_COMMAND} --build "${BUILD}" --config "${CONFIG}" --target ${CASE}_${variant}
    RESULT_VARIABLE result OUTPUT_VARIABLE output ERROR_VARIABLE output)
  if(variant STREQUAL "passes" AND result)
    message(FATAL_ERROR "${CASE} must compile without SHOULD_FAIL:\n${output}")
  elseif(variant STREQUAL "fails" AND NOT result)
    message(FATAL_ERROR "${CASE} compiles with SHOULD_FAIL; it must not")
  elseif(variant STREQUAL "fails" AND NOT output MATCHES "${EXPECT}")
    message(FATAL_ERROR "${CASE} fails, but nothing in its output matches '${EXPECT}':\n${output}")
  endif()
endforeach()
