# quantc-docs writes the generated pages of docs/; check-quantc-docs fails if
# they are out of date.
find_package(Python3 REQUIRED COMPONENTS Interpreter)
set(QUANTC_DOCS_COMMAND
  ${Python3_EXECUTABLE} ${CMAKE_SOURCE_DIR}/cmake/generate_docs.py
  --tblgen $<TARGET_FILE:mlir-tblgen>
  --include ${CMAKE_SOURCE_DIR}/include --include ${MLIR_INCLUDE_DIRS})
if(TARGET quantc)
  list(APPEND QUANTC_DOCS_COMMAND --quantc $<TARGET_FILE:quantc>)
endif()
add_custom_target(quantc-docs COMMAND ${QUANTC_DOCS_COMMAND}
  COMMENT "Writing the reference pages" VERBATIM)
add_custom_target(check-quantc-docs COMMAND ${QUANTC_DOCS_COMMAND} --check
  COMMENT "Checking the reference pages" VERBATIM)
if(TARGET quantc)
  add_dependencies(quantc-docs quantc)
  add_dependencies(check-quantc-docs quantc)
endif()
