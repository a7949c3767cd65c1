# Wrappers around LLVM's CMake functions: one library per source directory,
# always linked against libMLIR.so and libLLVM.so, never the static archives.

# One precompiled header of upstream MLIR only, shared by every library: our own
# headers change too often to belong in it. It is made by hand rather than with
# target_precompile_headers, whose absolute paths would keep ccache from sharing
# objects between checkouts. Templates that headers use are instantiated in it,
# once: that is half of what most of our files would do.
if(QUANTC_USE_PCH AND CMAKE_CXX_COMPILER_ID MATCHES "Clang" AND
   CMAKE_GENERATOR STREQUAL "Ninja")
  set(header ${CMAKE_CURRENT_LIST_DIR}/MLIRHeaders.h)
  separate_arguments(flags NATIVE_COMMAND
    "${CMAKE_CXX_FLAGS} ${CMAKE_CXX_FLAGS_${QUANTC_BUILD_TYPE}}")
  add_custom_command(OUTPUT ${CMAKE_BINARY_DIR}/pch/MLIRHeaders.pch
    COMMAND ${CMAKE_CXX_COMPILER} ${LLVM_DEFINITIONS_LIST} ${flags} -fPIC
            -std=gnu++17 -isystem ${LLVM_INCLUDE_DIRS} -Xclang -fno-pch-timestamp
            -fpch-instantiate-templates
            -x c++-header ${header} -o ${CMAKE_BINARY_DIR}/pch/MLIRHeaders.pch
            -MD -MF ${CMAKE_BINARY_DIR}/pch/MLIRHeaders.d
            -MT pch/MLIRHeaders.pch
    DEPFILE ${CMAKE_BINARY_DIR}/pch/MLIRHeaders.d
    DEPENDS ${header} COMMENT "Precompiling the MLIR headers")
  add_custom_target(QuantcPCH DEPENDS ${CMAKE_BINARY_DIR}/pch/MLIRHeaders.pch)
  # What ccache takes for the contents of the file (which has paths inside).
  file(READ ${header} contents)
  string(SHA256 sum "${contents};${LLVM_PACKAGE_VERSION};${flags}")
  file(CONFIGURE OUTPUT ${CMAKE_BINARY_DIR}/pch/MLIRHeaders.pch.sum
       CONTENT "${sum}")
endif()

function(quantc_use_pch target)
  if(TARGET QuantcPCH)
    add_dependencies(${target} QuantcPCH)
    target_compile_options(${target} PRIVATE
      "$<$<COMPILE_LANGUAGE:CXX>:SHELL:-include-pch pch/MLIRHeaders.pch>")
    get_target_property(sources ${target} SOURCES)
    set_property(SOURCE ${sources} APPEND PROPERTY
      OBJECT_DEPENDS ${CMAKE_BINARY_DIR}/pch/MLIRHeaders.pch)
  endif()
endfunction()

# quantc_add_library(Name a.cpp ... [DEPENDS ...] [LINK_LIBS ...] [NO_PCH])
# The name of the MLIR dylib is added to every library.
function(quantc_add_library name)
  cmake_parse_arguments(ARG "NO_PCH" "" "DEPENDS;LINK_LIBS" ${ARGN})
  add_library(${name} STATIC ${ARG_UNPARSED_ARGUMENTS})
  if(ARG_DEPENDS)
    add_dependencies(${name} ${ARG_DEPENDS})
  endif()
  # All generated headers first: libraries include each other's.
  add_dependencies(${name} quantc-headers)
  mlir_target_link_libraries(${name} PUBLIC MLIR)
  target_link_libraries(${name} PUBLIC ${ARG_LINK_LIBS} LLVM)
  if(NOT ARG_NO_PCH)
    quantc_use_pch(${name})
  endif()
endfunction()

function(quantc_add_tool name)
  cmake_parse_arguments(ARG "" "" "LINK_LIBS" ${ARGN})
  add_executable(${name} ${ARG_UNPARSED_ARGUMENTS})
  add_dependencies(${name} quantc-headers)
  mlir_target_link_libraries(${name} PRIVATE MLIR)
  target_link_libraries(${name} PRIVATE ${ARG_LINK_LIBS} LLVM)
  set_target_properties(${name} PROPERTIES
    RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/bin
    POSITION_INDEPENDENT_CODE OFF)
  # Not -fPIE: the precompiled header was made with -fPIC.
  target_compile_options(${name} PRIVATE -fPIC)
  quantc_use_pch(${name})
endfunction()

# quantc_tablegen(FILE.td generator output ...): pairs of a generator's flags
# (a list separated by spaces) and the file it writes into the build tree.
function(quantc_tablegen td)
  set(LLVM_TARGET_DEFINITIONS ${td})
  set(outs)
  list(LENGTH ARGN n)
  math(EXPR last "${n} - 1")
  foreach(i RANGE 0 ${last} 2)
    math(EXPR j "${i} + 1")
    list(GET ARGN ${i} flags)
    list(GET ARGN ${j} out)
    separate_arguments(flags)
    mlir_tablegen(${out} ${flags})
  endforeach()
  string(MAKE_C_IDENTIFIER "${CMAKE_CURRENT_SOURCE_DIR}_${td}" id)
  file(RELATIVE_PATH rel ${CMAKE_SOURCE_DIR} ${CMAKE_CURRENT_SOURCE_DIR})
  string(MAKE_C_IDENTIFIER "tblgen_${rel}_${td}" id)
  add_public_tablegen_target(${id})
  add_dependencies(quantc-headers ${id})
endfunction()
add_custom_target(quantc-headers)
