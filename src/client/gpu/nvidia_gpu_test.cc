// Evidence of a GPU of our own making: good evidence passes, and everything that is bent is refused
// by the check that is meant for it.
#include "client/gpu/nvidia_gpu.h"

#include <gtest/gtest.h>

#include <functional>
#include <set>

#include "client/gpu/test_gpu.h"
#include "shared/attest/test_appraisal.h"

namespace anchorhold::client {
namespace {

using attest::AttestationResult;
using attest::RefusedCheck;
using testing::kGpuNow;
using testing::RimSpec;
using testing::TestGpu;
using Files = std::map<std::string, Bytes>;

class NvidiaGpu : public ::testing::Test {
 protected:
  Result<AttestationResult> Judge(const Files& files, UnixSeconds now = kGpuNow) const {
    attest::UnverifiedFiles added;
    for (const auto& [role, bytes] : files) {
      AH_CHECK(added.Add(kNvidiaGpuKind.roles, role, bytes).ok());
    }
    return attest::Appraise(kNvidiaGpuKind, {.now = now,
                                             .files = added,
                                             .policy = policy_ ? &*policy_ : nullptr,
                                             .strict = strict_,
                                             .report_data = nonce_});
  }
  // The name of the check that refuses; "" if none does.
  std::string Refused(const Files& files, UnixSeconds now = kGpuNow) const {
    return attest::testing::RefusedBy(Judge(files, now));
  }
  // The same with one file instead of another.
  std::string RefusedWith(const std::string& role, ByteSpan bytes) const {
    Files files = files_;
    files[role] = CopyBytes(bytes);
    return Refused(files);
  }
  std::string RefusedBent(const std::function<void(TestGpu&)>& bend) const {
    TestGpu gpu;
    bend(gpu);
    return Refused(gpu.Files());
  }
  std::string RefusedDriverRim(const std::function<void(RimSpec&)>& bend) const {
    RimSpec spec = gpu_.DriverRim();
    bend(spec);
    return RefusedWith("driver_rim", AsBytes(gpu_.Rim(spec)));
  }
  // The certificates of a chain in PEM.
  static std::vector<std::string> Split(ByteSpan chain) {
    std::vector<std::string> out;
    std::string rest = CopyText(chain);
    const std::string end = "-----END CERTIFICATE-----\n";
    for (std::size_t at; (at = rest.find(end)) != std::string::npos;
         rest.erase(0, at + end.size())) {
      out.push_back(rest.substr(0, at + end.size()));
    }
    return out;
  }
  static Files Device(const Files& files) {
    return {{"report", files.at("report")}, {"cert_chain", files.at("cert_chain")}};
  }

  TestGpu gpu_;
  Files files_ = gpu_.Files();
  std::optional<attest::AppraisalPolicy> policy_ = gpu_.Policy();
  bool strict_ = true;
  std::optional<Bytes> nonce_ = gpu_.nonce;
};

TEST_F(NvidiaGpu, AcceptsGoodEvidence) {
  for (const bool blackwell : {false, true}) {
    TestGpu gpu;
    gpu.blackwell = blackwell;
    const auto result = Judge(gpu.Files());
    ASSERT_TRUE(result.ok()) << result.error().message();
    EXPECT_EQ(result->measurement(), gpu.fwid);
    EXPECT_TRUE(result->warnings().empty());
    EXPECT_EQ(result->claims().Find("driver_version")->text(), "590.12");
    EXPECT_EQ(result->claims().Find("vbios_version")->text(), "96.00.9F.00.01");
    EXPECT_EQ(result->claims().Find("leaf_subject")->text(), "CN=GT100 A01 GSP FMC LF");
    const auto* rim = result->claims().Find("rims")->Find("driver_rim");
    EXPECT_EQ(rim->Find("matching")->text(), "3");
    EXPECT_EQ(rim->Find("xml_signature_value")->text(), "true");
    for (const auto& check : result->checks()) {
      EXPECT_EQ(check.skipped_because.has_value(), check.name == "chain_not_revoked") << check.name;
    }
  }
}

TEST_F(NvidiaGpu, NoChangedByteOfAReportPasses) {
  const std::set<std::string> names = {"spdm_signature", "evidence_is_well_formed"};
  policy_->nvidia_gpu->require_driver_rim = policy_->nvidia_gpu->require_vbios_rim = false;
  gpu_.measurements.erase(gpu_.measurements.find(4), gpu_.measurements.end());
  Files files = {{"report", gpu_.Report()}, {"cert_chain", files_["cert_chain"]}};
  EXPECT_EQ(Refused(files), "");
  for (std::byte& byte : files["report"]) {
    byte ^= std::byte{1};
    EXPECT_TRUE(names.contains(Refused(files))) << &byte - files["report"].data();
    byte ^= std::byte{1};
  }
}

// Where a change passes, it is one of PEM's line ends or of white space within a tag.
bool SaysNothing(std::byte was) { return was == std::byte{' '} || was == std::byte{'\n'}; }

TEST_F(NvidiaGpu, NoChangedByteOfACertificatePasses) {
  policy_->nvidia_gpu->require_driver_rim = policy_->nvidia_gpu->require_vbios_rim = false;
  Files files = Device(files_);
  EXPECT_EQ(Refused(files), "");
  for (std::byte& byte : files["cert_chain"]) {
    const std::byte was = byte;
    byte ^= std::byte{1};
    EXPECT_TRUE(!Refused(files).empty() || SaysNothing(was)) << &byte - files["cert_chain"].data();
    byte = was;
  }
}

TEST_F(NvidiaGpu, NoChangedByteOfARimPasses) {
  nonce_.reset();
  Files files = {{"rim", files_["vbios_rim"]}};
  // Of a RIM alone, a policy only misses the device.
  EXPECT_EQ(Refused(files), "measurement");
  for (std::byte& byte : files["rim"]) {
    const std::byte was = byte;
    byte ^= std::byte{1};
    EXPECT_TRUE(Refused(files) != "measurement" || SaysNothing(was)) << &byte - files["rim"].data();
    byte = was;
  }
}

TEST_F(NvidiaGpu, NothingCutShortPasses) {
  for (const auto& [role, bytes] : files_) {
    for (std::size_t size = 0; size < bytes.size(); size += role == "report" ? 1 : 7) {
      // The last line end of PEM may be missing.
      if (role == "cert_chain" && size + 1 == bytes.size()) continue;
      EXPECT_NE(RefusedWith(role, ByteSpan(bytes).first(size)), "") << role << size;
    }
  }
}

TEST_F(NvidiaGpu, CertificatesOfOthersAreRefused) {
  const Files other = TestGpu(1).Files();
  EXPECT_EQ(RefusedWith("cert_chain", other.at("cert_chain")), "root_is_nvidia_device_identity_ca");
  EXPECT_EQ(RefusedWith("report", other.at("report")), "spdm_signature");
  EXPECT_EQ(RefusedWith("driver_rim", other.at("driver_rim")),
            "driver_rim_root_is_nvidia_corim_root");
  const auto ours = Split(files_["cert_chain"]);
  const auto theirs = TestGpu(1).Certificates();
  EXPECT_EQ(RefusedWith("cert_chain", AsBytes(theirs[0] + ours[1] + ours[2])), "chain_signatures");
  EXPECT_EQ(RefusedWith("cert_chain", AsBytes(ours[0] + theirs[1] + ours[2])), "chain_signatures");
  EXPECT_EQ(RefusedWith("cert_chain", AsBytes(ours[0] + ours[2])), "chain_signatures");
  EXPECT_EQ(RefusedWith("cert_chain", AsBytes(ours[1] + ours[2])), "chain_has_leaf_device_key");
  EXPECT_EQ(RefusedWith("cert_chain", AsBytes(ours[2])), "chain_has_leaf_device_key");
  EXPECT_EQ(RefusedWith("device_root", AsBytes(theirs[2])), "device_root_is_the_given_one");
  EXPECT_EQ(RefusedWith("device_root", AsBytes(ours[2])), "");
  EXPECT_EQ(RefusedWith("rim_root", AsBytes(ours[2])), "driver_rim_root_is_the_given_one");
  policy_->nvidia_gpu->roots = {.vendor = true, .others = {}};
  EXPECT_EQ(Refused(files_), "root_is_nvidia_device_identity_ca");
}

TEST_F(NvidiaGpu, TimeEndsIt) {
  const UnixSeconds from{1'700'000'000}, to{1'800'000'000};
  EXPECT_EQ(Refused(files_, from), "");
  EXPECT_EQ(Refused(files_, to), "");
  EXPECT_EQ(Refused(files_, UnixSeconds(from.value() - 1)), "certificate_not_yet_valid");
  EXPECT_EQ(Refused(files_, UnixSeconds(to.value() + 1)), "certificate_expired");
  EXPECT_EQ(
      RefusedDriverRim([](RimSpec& rim) { rim.leaf.not_after = UnixSeconds(kGpuNow.value() - 1); }),
      "certificate_expired");
  EXPECT_EQ(RefusedBent([](TestGpu& gpu) { gpu.brom_spec.ca = false; }), "certificate_constraints");
}

TEST_F(NvidiaGpu, WhatIsBoundMustAgree) {
  EXPECT_EQ(RefusedBent([](TestGpu& gpu) { gpu.opaque.back().second[0] ^= std::byte{1}; }),
            "fwid_equals_leaf_dice_fwid");
  EXPECT_EQ(RefusedBent([](TestGpu& gpu) { gpu.nonce[31] ^= std::byte{1}; }), "report_data");
  nonce_ = Bytes();
  EXPECT_EQ(Refused(files_), "report_data");
  nonce_ = gpu_.nonce;
  // A report need not state its firmware; the certificate does.
  EXPECT_EQ(RefusedBent([](TestGpu& gpu) { gpu.opaque.pop_back(); }), "");
}

TEST_F(NvidiaGpu, RimsDecide) {
  EXPECT_EQ(RefusedBent([](TestGpu& gpu) { gpu.fwid[0] ^= std::byte{1}; }),
            "fwid_equals_leaf_dice_fwid");
  EXPECT_EQ(RefusedDriverRim([](RimSpec& rim) { rim.active[2][0][0] ^= std::byte{1}; }),
            "driver_rim_measurements");
  EXPECT_EQ(RefusedDriverRim([](RimSpec& rim) { rim.active[100] = rim.active[2]; }),
            "driver_rim_measurements");  // a measurement that the device lacks
  EXPECT_EQ(RefusedDriverRim([](RimSpec& rim) { rim.active.clear(); }), "driver_rim_measurements");
  EXPECT_EQ(RefusedDriverRim([](RimSpec& rim) { rim.id = "590.13"; }),
            "driver_rim_is_for_this_device");
  EXPECT_EQ(RefusedDriverRim([](RimSpec& rim) { rim.product = "GT200"; }),
            "driver_rim_is_for_this_device");
  EXPECT_EQ(RefusedDriverRim([&](RimSpec& rim) { rim.active[0] = {gpu_.measurements[1]}; }),
            "rims_own_different_measurements");
  for (const std::string role : {"driver_rim", "vbios_rim"}) {
    Files files = files_;
    files.erase(role);
    EXPECT_EQ(Refused(files), role + "_is_given");
  }
  policy_->nvidia_gpu->require_vbios_rim = false;
  Files files = files_;
  files.erase("vbios_rim");
  EXPECT_EQ(Refused(files), "");
}

TEST_F(NvidiaGpu, TheVideoDecoderCountsWhileItIsOn) {
  const auto bend = [](RimSpec& rim) { rim.active[35][0][0] ^= std::byte{1}; };
  EXPECT_EQ(RefusedDriverRim(bend), "driver_rim_measurements");
  gpu_.opaque[2].second = {std::byte{0x55}};
  files_ = gpu_.Files();
  EXPECT_EQ(RefusedDriverRim(bend), "");
}

TEST_F(NvidiaGpu, RulesOfThePolicyHold) {
  policy_->nvidia_gpu->driver_versions = {"590.11"};
  EXPECT_EQ(Refused(files_), "driver_version");
  policy_ = gpu_.Policy();
  policy_->nvidia_gpu->vbios_versions = {"96.00.9F.00.02"};
  EXPECT_EQ(Refused(files_), "vbios_version");
  policy_ = gpu_.Policy();
  policy_->measurements = {Bytes(48, std::byte{2})};
  EXPECT_EQ(Refused(files_), "measurement");
  policy_ = gpu_.Policy();
  policy_->platforms = {attest::Platform::kTdx};
  EXPECT_EQ(Refused(files_), "platform");
  policy_ = gpu_.Policy();
  policy_->nvidia_gpu.reset();
  EXPECT_EQ(Refused(files_), "policy");
  policy_ = gpu_.Policy();
  EXPECT_EQ(Refused({}), "report_is_given");
  Files files = files_;
  files.erase("cert_chain");
  EXPECT_EQ(Refused(files), "cert_chain_is_given");
  // A RIM alone is no evidence of a device.
  EXPECT_EQ(Refused({{"rim", files_["driver_rim"]}}), "report_data");
}

TEST_F(NvidiaGpu, SeveralDevicesAnswerOneNonce) {
  policy_->nvidia_gpu->require_driver_rim = policy_->nvidia_gpu->require_vbios_rim = false;
  const Files first = Device(files_);
  const auto judge = [&](const std::vector<Files>& devices, ByteSpan nonce) {
    return Refused({{"evidence_json", CopyBytes(AsBytes(TestGpu::EvidenceJson(devices, nonce)))}});
  };
  EXPECT_EQ(judge({first, first}, gpu_.nonce), "");
  EXPECT_EQ(judge({first, first}, Bytes(32)), "evidence_json_nonce");
  EXPECT_EQ(judge({first, Device(TestGpu(1).Files())}, gpu_.nonce),
            "root_is_nvidia_device_identity_ca");
  EXPECT_EQ(judge({}, gpu_.nonce), "evidence_is_well_formed");
  EXPECT_EQ(judge(std::vector<Files>(17, first), gpu_.nonce), "evidence_is_well_formed");
  TestGpu other;
  other.nonce[0] ^= std::byte{1};
  const std::string json = TestGpu::EvidenceJson({Device(other.Files())}, other.nonce);
  EXPECT_EQ(RefusedWith("evidence_json", AsBytes(json)), "nonces_are_equal");
  other = TestGpu();
  other.opaque.pop_back();
  EXPECT_EQ(RefusedWith("evidence_json",
                        AsBytes(TestGpu::EvidenceJson({Device(other.Files())}, gpu_.nonce))),
            "report_is_in_evidence_json");
  // A policy accepts each device's firmware, or none.
  other = TestGpu();
  other.fwid[0] ^= std::byte{1};
  other.opaque.pop_back();
  EXPECT_EQ(judge({first, Device(other.Files())}, gpu_.nonce), "measurement");
}

TEST_F(NvidiaGpu, WithoutAPolicyRimsAreShownAndNotJudged) {
  policy_.reset();
  strict_ = false;
  // Without a policy only NVIDIA's own roots count.
  EXPECT_EQ(Refused(files_), "root_is_nvidia_device_identity_ca");
  attest::UnverifiedFiles added;
  for (const auto& [role, bytes] : files_) {
    AH_CHECK(added.Add(kNvidiaGpuKind.roles, role, bytes).ok());
  }
  const auto shown = ShowNvidiaGpu(added);
  ASSERT_TRUE(shown.ok()) << shown.error().message();
  const auto* rim = shown->unverified.Find("rims")->Find("vbios_rim");
  EXPECT_EQ(rim->Find("chain_signatures")->text(), "true");
  EXPECT_EQ(rim->Find("root_is_nvidia_corim_root")->text(), "false");
}

}  // namespace
}  // namespace anchorhold::client
