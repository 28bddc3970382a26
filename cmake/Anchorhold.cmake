# How every part of the house is built: flags, libraries, tests.

set(ANCHORHOLD_WARNINGS -Wall -Wextra -Wconversion -Wshadow -Werror)
set(ANCHORHOLD_HARDENING
    -D_GLIBCXX_ASSERTIONS # an out-of-range span[] or vector[] aborts instead of reading on
    -fstack-protector-strong
    -fno-omit-frame-pointer)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" OR CMAKE_CXX_COMPILER_VERSION VERSION_GREATER_EQUAL 16)
  list(APPEND ANCHORHOLD_HARDENING -ftrivial-auto-var-init=zero)
endif()

if(CMAKE_BUILD_TYPE STREQUAL "Release" OR CMAKE_BUILD_TYPE STREQUAL "RelWithDebInfo")
  if(NOT ANCHORHOLD_SANITIZE)
    list(APPEND ANCHORHOLD_HARDENING -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2)
  endif()
endif()
if(ANCHORHOLD_SANITIZE)
  # Reports name lines, for which -g1 is enough: with all that -g says, the enclave is larger than
  # what a host starts (-gz: compressed).
  add_compile_options(-fsanitize=${ANCHORHOLD_SANITIZE} -fno-sanitize-recover=all -g1 -gz)
  add_link_options(-fsanitize=${ANCHORHOLD_SANITIZE} -gz)
  # Under instrumentation GCC takes its own <regex> for uninitialised.
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    list(APPEND ANCHORHOLD_WARNINGS -Wno-maybe-uninitialized)
  endif()
endif()
if(ANCHORHOLD_LIBFUZZER)
  add_compile_options(-fsanitize=fuzzer-no-link)
endif()
# Timeouts of tests, which are given for builds without sanitizers, are multiplied by this: about
# twice what the sanitizers' own documentation says that they cost.
set(ANCHORHOLD_TIMEOUT_FACTOR 1)
if(ANCHORHOLD_SANITIZE MATCHES "thread")
  set(ANCHORHOLD_TIMEOUT_FACTOR 20)
elseif(ANCHORHOLD_SANITIZE)
  set(ANCHORHOLD_TIMEOUT_FACTOR 5)
endif()
# Of what is compiled for Highway's NEON target: it includes AES, which no kernel uses, but which GCC
# must be told of for all that a kernel's file has.
set(ANCHORHOLD_NEON_FLAGS)
if(CMAKE_SYSTEM_PROCESSOR MATCHES "aarch64|arm64")
  set(ANCHORHOLD_NEON_FLAGS -march=armv8-a+crypto)
endif()
# Assertions state invariants of the product; a release build keeps them.
foreach(config RELEASE RELWITHDEBINFO)
  string(REPLACE "-DNDEBUG" "" CMAKE_CXX_FLAGS_${config} "${CMAKE_CXX_FLAGS_${config}}")
  string(REPLACE "-O3" "-O2" CMAKE_CXX_FLAGS_${config} "${CMAKE_CXX_FLAGS_${config}}")
endforeach()

# anchorhold_library(NAME SOURCES ... [DEPS ...] [EXCEPTIONS])
# Code that runs in the enclave is compiled without exceptions; EXCEPTIONS is for the untrusted host
# and the client's faces, whose libraries throw.
function(anchorhold_library name)
  cmake_parse_arguments(ARG "EXCEPTIONS" "" "SOURCES;DEPS" ${ARGN})
  add_library(${name} STATIC ${ARG_SOURCES})
  target_include_directories(${name} PUBLIC ${CMAKE_SOURCE_DIR}/src)
  target_compile_options(${name} PRIVATE ${ANCHORHOLD_WARNINGS} ${ANCHORHOLD_HARDENING})
  if(NOT ARG_EXCEPTIONS)
    target_compile_options(${name} PRIVATE -fno-exceptions)
  endif()
  target_link_libraries(${name} PUBLIC ${ARG_DEPS})
endfunction()

# anchorhold_test(NAME SOURCES ... [DEPS ...] [LABELS ...] [TIMEOUT seconds]): one GoogleTest
# program; each of its tests becomes a CTest test named NAME.Suite.Case.
function(anchorhold_test name)
  cmake_parse_arguments(ARG "EXCEPTIONS" "TIMEOUT" "SOURCES;DEPS;LABELS" ${ARGN})
  if(NOT ARG_TIMEOUT)
    set(ARG_TIMEOUT 120)
  endif()
  math(EXPR ARG_TIMEOUT "${ARG_TIMEOUT} * ${ANCHORHOLD_TIMEOUT_FACTOR}")
  add_executable(${name} ${ARG_SOURCES})
  target_include_directories(${name} PRIVATE ${CMAKE_SOURCE_DIR}/src ${CMAKE_SOURCE_DIR})
  # What is under test is in libraries; the tests around it compile in two thirds of the time.
  target_compile_options(${name} PRIVATE ${ANCHORHOLD_WARNINGS} ${ANCHORHOLD_HARDENING}
                         $<$<CONFIG:Release>:-O1>)
  target_compile_definitions(${name} PRIVATE
    ANCHORHOLD_SOURCE_DIR="${CMAKE_SOURCE_DIR}" ANCHORHOLD_BINARY_DIR="${CMAKE_BINARY_DIR}")
  target_link_libraries(${name} PRIVATE ${ARG_DEPS} GTest::gtest GTest::gtest_main)
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
  include(GoogleTest)
  gtest_discover_tests(${name} TEST_PREFIX ${name}. DISCOVERY_MODE PRE_TEST
    PROPERTIES TIMEOUT ${ARG_TIMEOUT} LABELS "${ARG_LABELS}")
endfunction()

# anchorhold_protobuf(NAME IMPORT_DIR dir PROTOS file ...): a library of protobuf-lite messages,
# included by their path below IMPORT_DIR ("shared/wire/session.pb.h"). Generated code is not ours to
# warn about.
function(anchorhold_protobuf name)
  cmake_parse_arguments(ARG "" "IMPORT_DIR" "PROTOS" ${ARGN})
  set(out ${CMAKE_BINARY_DIR}/generated)
  file(MAKE_DIRECTORY ${out})
  set(sources)
  foreach(proto ${ARG_PROTOS})
    file(RELATIVE_PATH relative ${ARG_IMPORT_DIR} ${proto})
    string(REGEX REPLACE "\\.proto$" "" stem ${relative})
    add_custom_command(
      OUTPUT ${out}/${stem}.pb.cc ${out}/${stem}.pb.h
      COMMAND protobuf::protoc --cpp_out=lite:${out} -I ${ARG_IMPORT_DIR} ${relative}
      WORKING_DIRECTORY ${ARG_IMPORT_DIR}
      DEPENDS ${proto}
      VERBATIM)
    list(APPEND sources ${out}/${stem}.pb.cc)
  endforeach()
  add_library(${name} STATIC ${sources})
  target_include_directories(${name} SYSTEM PUBLIC ${out})
  target_compile_options(${name} PRIVATE ${ANCHORHOLD_HARDENING} -w)
  target_link_libraries(${name} PUBLIC protobuf::libprotobuf-lite)
endfunction()
