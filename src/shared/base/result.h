// Result<T>: a value or an Error. The enclave is built without exceptions, so every operation that
// input, the host or the operating system can make fail returns one; it cannot be ignored.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

#include "shared/base/check.h"

namespace anchorhold {

// What kind of refusal an error is. The codes travel over the wire (wire/session.proto) and decide
// the exit status of the command line (ExitStatus); never renumber them.
enum class ErrorCode : unsigned char {
  kInvalidInput = 1,        // malformed or inconsistent input: file, flag, message
  kUnsupported = 2,         // well-formed, but not something this version can do
  kLimitExceeded = 3,       // over a limit of shared/base/limits.h
  kNotFound = 4,            // a name that nothing bears
  kAlreadyExists = 5,       // a name that is taken
  kPermissionDenied = 6,    // the caller's key has no grant for this
  kBudgetExceeded = 7,      // more privacy than a contract allows
  kPrivacyRefused = 8,      // the request itself could leak (example mixing, delta too large)
  kAttestationRefused = 9,  // evidence that the appraisal policy does not accept
  kIntegrity = 10,          // a seal, signature, hash or proof that does not hold
  kRollback = 11,           // state older than its anchor or witness
  kUnavailable = 12,        // the other side, the disk or the network failed; retrying may help
  kInternal = 13,           // a bug
};

// The code's stable name, as JSON output prints it: "invalid-input", "budget-exceeded", ...
std::string_view ErrorCodeName(ErrorCode code);

// Exit status of a command that ends with this error: 2 for input that the caller can correct,
// 3 for a refusal (permission, privacy, attestation, integrity, rollback), 1 for everything else.
int ExitStatus(ErrorCode code);

// One line that says what, where and what to do. It never carries a private value: no cell of a
// dataset, no weight, no key.
class [[nodiscard]] Error {
 public:
  Error(ErrorCode code, std::string message) : code_(code), message_(std::move(message)) {}

  ErrorCode code() const { return code_; }
  const std::string& message() const { return message_; }

  // The same error, saying where it happened: "where: message".
  Error At(std::string_view where) const& {
    return Error(code_, std::string(where) + ": " + message_);
  }

 private:
  ErrorCode code_;
  std::string message_;
};

inline Error InvalidInput(std::string m) { return {ErrorCode::kInvalidInput, std::move(m)}; }
inline Error Unsupported(std::string m) { return {ErrorCode::kUnsupported, std::move(m)}; }
inline Error LimitExceeded(std::string m) { return {ErrorCode::kLimitExceeded, std::move(m)}; }
inline Error NotFound(std::string m) { return {ErrorCode::kNotFound, std::move(m)}; }
inline Error AlreadyExists(std::string m) { return {ErrorCode::kAlreadyExists, std::move(m)}; }
inline Error PermissionDenied(std::string m) {
  return {ErrorCode::kPermissionDenied, std::move(m)};
}
inline Error BudgetExceeded(std::string m) { return {ErrorCode::kBudgetExceeded, std::move(m)}; }
inline Error PrivacyRefused(std::string m) { return {ErrorCode::kPrivacyRefused, std::move(m)}; }
inline Error AttestationRefused(std::string m) {
  return {ErrorCode::kAttestationRefused, std::move(m)};
}
inline Error IntegrityError(std::string m) { return {ErrorCode::kIntegrity, std::move(m)}; }
inline Error RollbackError(std::string m) { return {ErrorCode::kRollback, std::move(m)}; }
inline Error Unavailable(std::string m) { return {ErrorCode::kUnavailable, std::move(m)}; }
inline Error InternalError(std::string m) { return {ErrorCode::kInternal, std::move(m)}; }

template <typename T>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}      // NOLINT: implicit
  Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}  // NOLINT: implicit

  bool ok() const { return state_.index() == 0; }
  explicit operator bool() const { return ok(); }

  // Precondition of the accessors: ok() for value, !ok() for error; anything else aborts.
  T& value() & {
    AH_CHECK(ok());
    return *std::get_if<0>(&state_);
  }
  const T& value() const& {
    AH_CHECK(ok());
    return *std::get_if<0>(&state_);
  }
  T&& value() && {
    AH_CHECK(ok());
    return std::move(*std::get_if<0>(&state_));
  }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T&& operator*() && { return std::move(*this).value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }
  const Error& error() const {
    AH_CHECK(!ok());
    return *std::get_if<1>(&state_);
  }

 private:
  std::variant<T, Error> state_;
};

template <>
class [[nodiscard]] Result<void> {
 public:
  Result() = default;
  Result(Error error) : error_(std::move(error)) {}  // NOLINT: implicit

  bool ok() const { return !error_.has_value(); }
  explicit operator bool() const { return ok(); }
  const Error& error() const {
    AH_CHECK(!ok());
    return *error_;
  }

 private:
  std::optional<Error> error_;
};

using Status = Result<void>;
inline Status Ok() { return Status(); }

}  // namespace anchorhold

#define AH_CONCAT_INNER(a, b) a##b
#define AH_CONCAT(a, b) AH_CONCAT_INNER(a, b)

// AH_RETURN_IF_ERROR(expression): returns its error to the caller, if it has one.
#define AH_RETURN_IF_ERROR(expression)             \
  do {                                             \
    auto ah_status = (expression);                 \
    if (!ah_status.ok()) return ah_status.error(); \
  } while (false)

// AH_ASSIGN_OR_RETURN(auto x, expression): x is the value, or the caller gets the error.
#define AH_ASSIGN_OR_RETURN(declaration, expression) \
  AH_ASSIGN_OR_RETURN_INNER(AH_CONCAT(ah_result_, __LINE__), declaration, expression)
#define AH_ASSIGN_OR_RETURN_INNER(temporary, declaration, expression) \
  auto temporary = (expression);                                      \
  if (!temporary.ok()) return temporary.error();                      \
  declaration = std::move(temporary).value()
