// The tables [tdx] and [sgx-dcap] of a policy.
#include "shared/attest/intel_policy.h"

#include <gtest/gtest.h>

#include "shared/attest/test_policy.h"

namespace anchorhold::attest::testing {
namespace {

const std::string kIntel =
    "crls = \"required\"\ntcb_statuses = [\"UpToDate\", \"SWHardeningNeeded\"]\n"
    "tcb_advisories = [\"INTEL-SA-00615\"]\ntcb_evaluation_data_number_min = 17\n"
    "roots = [\"vendor\"]\n";

std::string Hex(std::size_t bytes) { return "[\"" + std::string(2 * bytes, 'b') + "\"]"; }

std::string Tdx() {
  return "version = 1\nplatforms = [\"tdx\"]\nmeasurements = " + Hex(48) +
         "\n[tdx]\ndebug = \"forbidden\"\nmigration = \"forbidden\"\n"
         "sept_ve_disable = \"required\"\nevent_log = \"if-given\"\n"
         "td_attributes = \"not-checked\"\nxfam = " +
         Hex(8) + "\nmr_seam = " + Hex(48) +
         "\nmr_config_id = \"not-checked\"\nmr_owner = \"not-checked\"\n"
         "mr_owner_config = \"not-checked\"\nmr_service_td = \"not-checked\"\nrtmr0 = " +
         Hex(48) + "\nrtmr1 = \"not-checked\"\nrtmr2 = \"not-checked\"\nrtmr3 = \"not-checked\"\n" +
         kIntel;
}

std::string Sgx() {
  return "version = 1\nplatforms = [\"sgx-dcap\"]\nmeasurements = " + Hex(32) +
         "\n[sgx-dcap]\ndebug = \"allowed\"\nmr_signer = " + Hex(32) +
         "\nisv_prod_id = \"not-checked\"\nisv_svn_min = 2\nconfig_id = " + Hex(64) + "\n" + kIntel;
}

TEST(IntelPolicy, ReadsWhatIsSet) {
  const auto tdx = Parse(Tdx());
  ASSERT_TRUE(tdx.ok()) << tdx.error().message();
  const TdxPolicy& td = tdx->tdx.value();
  EXPECT_FALSE(td.allow_debug || td.allow_migration || td.require_event_log);
  EXPECT_TRUE(td.require_sept_ve_disable && td.intel.require_crls && td.intel.roots.vendor);
  EXPECT_FALSE(td.td_attributes.has_value() || td.rtmrs[3].has_value());
  EXPECT_EQ(td.rtmrs[0], std::vector<Bytes>{Bytes(48, std::byte{0xbb})});
  EXPECT_EQ(td.intel.tcb_statuses,
            (std::vector{TcbStatus::kUpToDate, TcbStatus::kSwHardeningNeeded}));
  EXPECT_EQ(td.intel.tcb_advisories, std::vector<std::string>{"INTEL-SA-00615"});
  EXPECT_EQ(td.intel.evaluation_number_min, 17u);
  const auto sgx = Parse(Sgx());
  ASSERT_TRUE(sgx.ok()) << sgx.error().message();
  EXPECT_TRUE(sgx->sgx_dcap->allow_debug);
  EXPECT_EQ(sgx->sgx_dcap->isv_svn_min, 2u);
  EXPECT_FALSE(sgx->sgx_dcap->isv_prod_id.has_value());
}

TEST(IntelPolicy, RoundTripsThroughText) {
  for (const std::string& kind : {Tdx(), Sgx()}) {
    const std::string waived =
        With(With(With(kind, "[\"UpToDate\", \"SWHardeningNeeded\"]", "\"not-checked\""),
                  "[\"INTEL-SA-00615\"]", "\"not-checked\""),
             "= 17", "= \"not-checked\"");
    const std::string none = With(kind, "[\"INTEL-SA-00615\"]", "[]");
    for (const std::string& text : {kind, waived, none}) {
      ExpectRoundTrip(text, [](const AppraisalPolicy& policy, const AppraisalPolicy& again) {
        const IntelRules& a = policy.tdx ? policy.tdx->intel : policy.sgx_dcap->intel;
        const IntelRules& b = again.tdx ? again.tdx->intel : again.sgx_dcap->intel;
        EXPECT_EQ(a.tcb_statuses, b.tcb_statuses);
        EXPECT_EQ(a.tcb_advisories, b.tcb_advisories);
        EXPECT_EQ(a.evaluation_number_min, b.evaluation_number_min);
        EXPECT_EQ(a.require_crls, b.require_crls);
      });
    }
  }
}

TEST(IntelPolicy, NothingMayBeLeftOut) {
  for (const std::string& text : {Tdx(), Sgx()}) {
    const std::string name = text == Tdx() ? "tdx" : "sgx-dcap";
    ExpectNothingMayBeLeftOut(text, name);
    ExpectRefusal(text + "more = 1\n", name + ".more");
  }
}

TEST(IntelPolicy, RefusesWhatItDoesNotKnow) {
  for (const std::string& text : {Tdx(), Sgx()}) {
    ExpectRefusal(With(text, "\"UpToDate\"", "\"Fine\""), "tcb_statuses");
    ExpectRefusal(With(text, "\"UpToDate\"", "\"NotFound\""), "tcb_statuses");
    ExpectRefusal(With(text, "\"UpToDate\"", "\"Revoked\""), "Revoked");
    ExpectRefusal(With(text, "[\"UpToDate\", \"SWHardeningNeeded\"]", "[]"), "tcb_statuses");
    ExpectRefusal(With(text, "= 17", "= -1"), "tcb_evaluation_data_number_min");
    ExpectRefusal(With(text, "crls = \"required\"", "crls = \"not-checked\""), "crls");
    ExpectRefusal(With(text, "[\"INTEL-SA-00615\"]", "\"INTEL-SA-00615\""), "tcb_advisories");
  }
  ExpectRefusal(With(Tdx(), "migration = \"forbidden\"", "migration = \"not-checked\""),
                "migration");
  ExpectRefusal(With(Tdx(), "xfam = " + Hex(8), "xfam = " + Hex(9)), "xfam");
  ExpectRefusal(With(Tdx(), "rtmr0 = " + Hex(48), "rtmr0 = []"), "rtmr0");
  ExpectRefusal(With(Sgx(), "isv_svn_min = 2", "isv_svn_min = \"none\""), "isv_svn_min");
}

}  // namespace
}  // namespace anchorhold::attest::testing
