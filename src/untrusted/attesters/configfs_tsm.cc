#include "untrusted/attesters/configfs_tsm.h"

#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <charconv>
#include <thread>

namespace anchorhold::host {
namespace {

constexpr std::size_t kBlobBytesMax = 32 * 1024;  // the kernel's own bound (TSM_REPORT_OUTBLOB_MAX)
constexpr std::size_t kTextBytesMax = 4096;
constexpr int kNamesMax = 100;

bool TryAgain(int error) { return error == EBUSY || error == EWOULDBLOCK || error == EINTR; }

std::string Trimmed(const Bytes& text) {
  std::string out = CopyText(text);
  while (!out.empty() && (out.back() == '\n' || out.back() == ' ')) out.pop_back();
  return out;
}

Result<attest::Platform> PlatformOf(const std::string& provider) {
  if (provider == "sev_guest") return attest::Platform::kSevSnp;
  if (provider == "tdx_guest") return attest::Platform::kTdx;
  return Unsupported("configfs-tsm speaks for '" + provider +
                     "', which this version has no verifier for (it has sev_guest, tdx_guest)");
}

}  // namespace

// A request of one's own, removed when it goes.
class ConfigfsTsm::Request {
 public:
  static Result<Request> Make(DeviceFiles& files, const std::filesystem::path& root) {
    static std::atomic<unsigned> counter = 0;
    for (int i = 0; i < kNamesMax; ++i) {
      const std::filesystem::path path =
          root / ("anchorhold-" + std::to_string(::getpid()) + "-" + std::to_string(counter++));
      const int error = files.MakeFolder(path);
      if (error == 0) return Request(files, path);
      if (error != EEXIST) return DeviceError("cannot make a request at", path, error);
    }
    return Unavailable("too many requests lie in " + root.string());
  }
  ~Request() {
    if (files_ != nullptr) files_->RemoveFolder(path_);
  }
  Request(Request&& other) noexcept
      : files_(std::exchange(other.files_, nullptr)), path_(std::move(other.path_)) {}
  Request& operator=(Request&&) = delete;

  std::filesystem::path Attribute(const char* name) const { return path_ / name; }
  int Write(const char* name, ByteSpan bytes) { return files_->Write(path_ / name, bytes); }
  int Read(const char* name, std::size_t max, Bytes& out) {
    return files_->Read(path_ / name, max, out);
  }
  Error Failed(const char* what, const char* name, int error) const {
    return DeviceError(what, path_ / name, error);
  }
  Result<std::uint64_t> Generation() {
    Bytes text;
    if (const int error = Read("generation", kTextBytesMax, text); error != 0) {
      return Failed("cannot read", "generation", error);
    }
    const std::string digits = Trimmed(text);
    std::uint64_t value = 0;
    const auto [end, status] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    if (status != std::errc() || end != digits.data() + digits.size()) {
      return Unavailable(Attribute("generation").string() + " is no number");
    }
    return value;
  }

 private:
  Request(DeviceFiles& files, std::filesystem::path path)
      : files_(&files), path_(std::move(path)) {}
  DeviceFiles* files_;
  std::filesystem::path path_;
};

ConfigfsTsm::ConfigfsTsm(ConfigfsTsmOptions options, std::unique_ptr<DeviceFiles> files)
    : options_(std::move(options)), files_(std::move(files)) {}

Result<std::string> ConfigfsTsm::Provider() {
  AH_ASSIGN_OR_RETURN(Request request, Request::Make(*files_, options_.root));
  Bytes text;
  if (const int error = request.Read("provider", kTextBytesMax, text); error != 0) {
    return request.Failed("cannot read", "provider", error);
  }
  return Trimmed(text);
}

Result<std::unique_ptr<ConfigfsTsm>> ConfigfsTsm::Open(ConfigfsTsmOptions options,
                                                       std::unique_ptr<DeviceFiles> files) {
  std::unique_ptr<ConfigfsTsm> tsm(new ConfigfsTsm(std::move(options), std::move(files)));
  AH_ASSIGN_OR_RETURN(tsm->provider_, tsm->Provider());
  AH_ASSIGN_OR_RETURN(tsm->platform_, PlatformOf(tsm->provider_));
  if (tsm->options_.privlevel.has_value() && tsm->platform_ != attest::Platform::kSevSnp) {
    return InvalidInput("a privilege level is for sev-snp only");
  }
  return tsm;
}

Result<std::optional<ConfigfsTsm::Answer>> ConfigfsTsm::Attempt(
    const attest::ReportData& report_data) {
  AH_ASSIGN_OR_RETURN(Request request, Request::Make(*files_, options_.root));
  AH_ASSIGN_OR_RETURN(std::uint64_t expected, request.Generation());
  if (options_.privlevel.has_value()) {
    const std::string level = std::to_string(*options_.privlevel);
    const int error = request.Write("privlevel", AsBytes(level));
    if (error != 0) return request.Failed("cannot write", "privlevel", error);
    ++expected;
  }
  const Bytes bound = attest::BoundBytes(platform_, report_data);
  int error = request.Write("inblob", bound);
  if (TryAgain(error)) return std::optional<Answer>();
  if (error != 0) return request.Failed("cannot write", "inblob", error);
  ++expected;
  AH_ASSIGN_OR_RETURN(const std::uint64_t before, request.Generation());
  Answer answer;
  error = request.Read("outblob", kBlobBytesMax, answer.outblob);
  if (TryAgain(error)) return std::optional<Answer>();
  if (error != 0) return request.Failed("cannot read", "outblob", error);
  error = request.Read("auxblob", kBlobBytesMax, answer.auxblob);
  if (TryAgain(error)) return std::optional<Answer>();
  if (error == ENOENT) answer.auxblob.clear();  // the platform has none
  if (error != 0 && error != ENOENT) return request.Failed("cannot read", "auxblob", error);
  AH_ASSIGN_OR_RETURN(const std::uint64_t after, request.Generation());
  if (before != expected || after != expected) return std::optional<Answer>();
  Bytes provider;
  error = request.Read("provider", kTextBytesMax, provider);
  if (error != 0) return request.Failed("cannot read", "provider", error);
  if (Trimmed(provider) != provider_) {
    return Unavailable("configfs-tsm changed its provider from " + provider_ + " to " +
                       Trimmed(provider) + "; restart the host");
  }
  return std::optional<Answer>(std::move(answer));
}

Result<std::vector<attest::CarriedFile>> ConfigfsTsm::Quote(const attest::ReportData& report_data) {
  std::chrono::milliseconds pause = options_.first_pause;
  for (int i = 0; i < kTsmAttempts; ++i) {
    AH_ASSIGN_OR_RETURN(std::optional<Answer> answer, Attempt(report_data));
    if (answer.has_value()) {
      const bool snp = platform_ == attest::Platform::kSevSnp;
      std::vector<attest::CarriedFile> files;
      files.push_back({snp ? "report" : "quote", std::move(answer->outblob)});
      if (snp && !answer->auxblob.empty()) {
        files.push_back({"cert_table", std::move(answer->auxblob)});
      }
      return files;
    }
    std::this_thread::sleep_for(pause);
    pause *= 2;
  }
  return Unavailable("configfs-tsm gave no undisturbed answer in " + std::to_string(kTsmAttempts) +
                     " attempts; is something else asking for reports all the time?");
}

}  // namespace anchorhold::host
