#include "shared/base/result.h"

namespace anchorhold {

std::string_view ErrorCodeName(ErrorCode code) {
  switch (code) {
    case ErrorCode::kInvalidInput:
      return "invalid-input";
    case ErrorCode::kUnsupported:
      return "unsupported";
    case ErrorCode::kLimitExceeded:
      return "limit-exceeded";
    case ErrorCode::kNotFound:
      return "not-found";
    case ErrorCode::kAlreadyExists:
      return "already-exists";
    case ErrorCode::kPermissionDenied:
      return "permission-denied";
    case ErrorCode::kBudgetExceeded:
      return "budget-exceeded";
    case ErrorCode::kPrivacyRefused:
      return "privacy-refused";
    case ErrorCode::kAttestationRefused:
      return "attestation-refused";
    case ErrorCode::kIntegrity:
      return "integrity";
    case ErrorCode::kRollback:
      return "rollback";
    case ErrorCode::kUnavailable:
      return "unavailable";
    case ErrorCode::kInternal:
      return "internal";
  }
  return "internal";
}

int ExitStatus(ErrorCode code) {
  switch (code) {
    case ErrorCode::kInvalidInput:
    case ErrorCode::kUnsupported:
    case ErrorCode::kLimitExceeded:
    case ErrorCode::kNotFound:
    case ErrorCode::kAlreadyExists:
      return 2;
    case ErrorCode::kPermissionDenied:
    case ErrorCode::kBudgetExceeded:
    case ErrorCode::kPrivacyRefused:
    case ErrorCode::kAttestationRefused:
    case ErrorCode::kIntegrity:
    case ErrorCode::kRollback:
      return 3;
    case ErrorCode::kUnavailable:
    case ErrorCode::kInternal:
      return 1;
  }
  return 1;
}

}  // namespace anchorhold
