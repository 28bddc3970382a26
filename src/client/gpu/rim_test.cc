// RIMs and their signatures: the one form that counts, and none of those that attacks make of it.
#include "client/gpu/rim.h"

#include <gtest/gtest.h>

#include "client/gpu/test_gpu.h"

namespace anchorhold::client {
namespace {

using testing::RimSpec;
using testing::TestGpu;

std::string With(std::string text, const std::string& part, const std::string& other) {
  const std::size_t at = text.find(part);
  AH_CHECK(at != std::string::npos);
  return text.replace(at, part.size(), other);
}

class Rim : public ::testing::Test {
 protected:
  static std::string Refusal(const std::string& text) {
    const auto rim = UnverifiedRim::Parse(AsBytes(text));
    return rim.ok() ? "" : rim.error().message();
  }
  static XmlSignature::Outcome Check(const std::string& text) {
    const auto rim = UnverifiedRim::Parse(AsBytes(text));
    EXPECT_TRUE(rim.ok()) << rim.error().message();
    const auto& key = rim->unverified_chain()[0].unverified().key;
    const auto outcome = rim->CheckSignature(key);
    EXPECT_EQ(rim->VerifiedBy(key).ok(), outcome->Holds());
    return *outcome;
  }

  TestGpu gpu_;
  std::string text_ = gpu_.Rim(gpu_.DriverRim());
};

TEST_F(Rim, WhatIsSignedHolds) {
  EXPECT_TRUE(Check(text_).Holds());
  // White space in tags is no part of the canonical form.
  EXPECT_TRUE(Check(With(text_, "<Meta ", "<Meta  ")).Holds());
  EXPECT_TRUE(Check("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n" + text_).Holds());
}

TEST_F(Rim, DigestAndSignatureAreToldApart) {
  const auto changed = Check(With(text_, "590.12", "590.13"));
  EXPECT_FALSE(changed.reference_digest);
  EXPECT_TRUE(changed.signature_value);
  const std::size_t value = text_.find("<ds:SignatureValue>") + 30;
  std::string forged = text_;
  forged[value] = forged[value] == 'A' ? 'B' : 'A';
  const auto other = Check(forged);
  EXPECT_TRUE(other.reference_digest);
  EXPECT_FALSE(other.signature_value);
  // With a new digest the document is right, and nobody signed that.
  const std::size_t digest = text_.find("<ds:DigestValue>") + 16;
  const std::string second = gpu_.Rim(gpu_.VbiosRim());
  std::string moved = second;
  moved.replace(second.find("<ds:DigestValue>") + 16, 64, text_.substr(digest, 64));
  EXPECT_FALSE(Check(moved).Holds());
  EXPECT_FALSE(Check(moved).signature_value);
  // Another's key.
  const auto rim = UnverifiedRim::Parse(AsBytes(text_));
  const auto theirs = UnverifiedRim::Parse(AsBytes(TestGpu(1).Rim(gpu_.DriverRim())));
  const auto& key = theirs->unverified_chain()[0].unverified().key;
  EXPECT_TRUE(rim->CheckSignature(key)->reference_digest);
  EXPECT_FALSE(rim->CheckSignature(key)->signature_value);
  EXPECT_FALSE(rim->VerifiedBy(key).ok());
}

TEST_F(Rim, TheFormIsOne) {
  const std::string more = "http://www.w3.org/2001/04/xmldsig-more#";
  const std::string form = "not of the form";
  for (const auto& [part, other] : std::vector<std::pair<std::string, std::string>>{
           {"URI=\"\"", "URI=\"#x\""},
           {"URI=\"\"", "URI=\"file:///etc/passwd\""},
           {"URI=\"\"", ""},
           {more + "ecdsa-sha384", "http://www.w3.org/2000/09/xmldsig#hmac-sha1"},
           {more + "sha384\"", "http://www.w3.org/2000/09/xmldsig#sha1\""},
           {"#enveloped-signature", "#base64"},
           {"<ds:Transform Algorithm=\"http://www.w3.org/2006/12/xml-c14n11\"></ds:Transform>", ""},
           {"<ds:Transform Algorithm=\"http://www.w3.org/2006/12/xml-c14n11\"></ds:Transform>",
            "<ds:Transform Algorithm=\"http://www.w3.org/TR/1999/REC-xslt-19991116\">"
            "</ds:Transform>"},
           {"<ds:KeyInfo>", "<ds:Object></ds:Object><ds:KeyInfo>"}}) {
    EXPECT_NE(Refusal(With(text_, part, other)).find(form), std::string::npos) << other;
  }
}

TEST_F(Rim, SignaturesAreNotWrapped) {
  const std::size_t from = text_.find("<ds:Signature ");
  const std::string signature = text_.substr(from, text_.find("</ds:Signature>") + 15 - from);
  EXPECT_NE(Refusal(With(text_, "<Payload>", signature + "<Payload>")), "");
  EXPECT_NE(Refusal(With(text_, signature, "<x>" + signature + "</x>")), "");
  EXPECT_NE(Refusal(With(text_, "</ds:KeyInfo>", signature + "</ds:KeyInfo>")), "");
  EXPECT_NE(Refusal(With(text_, signature, "")), "");
  // A second Payload, even a signed one, leaves open which one counts.
  RimSpec spec = gpu_.DriverRim();
  spec.extra = "<Payload></Payload>";
  EXPECT_NE(Refusal(gpu_.Rim(spec)), "");
  // What is in the signature itself is not signed, and is not read.
  const std::string inside = With(text_, "<ds:X509Data>", "<Payload></Payload><ds:X509Data>");
  EXPECT_TRUE(Check(inside).Holds());
  EXPECT_EQ(UnverifiedRim::Parse(AsBytes(inside))->unverified().active.size(), 3u);
}

TEST_F(Rim, DangerousXmlIsRefusedBeforeItIsRead) {
  const std::string entity = "<!DOCTYPE x [<!ENTITY a SYSTEM \"file:///etc/passwd\">]>" + text_;
  EXPECT_NE(Refusal(entity).find("document type"), std::string::npos);
  EXPECT_NE(Refusal(With(text_, "<Payload>", "<!-- --><Payload>")).find("comment"),
            std::string::npos);
  EXPECT_NE(Refusal(With(text_, "<Payload>", "<?p?><Payload>")).find("processing"),
            std::string::npos);
  EXPECT_NE(Refusal(With(text_, "590.12", "&a;")).find("well-formed"), std::string::npos);
  EXPECT_NE(Refusal(text_ + std::string(1, '\0')).find("zero byte"), std::string::npos);
  EXPECT_NE(Refusal(text_ + std::string(kXmlBytesMax, ' ')).find("too long"), std::string::npos);
  std::string deep;
  for (int i = 0; i < 1000; ++i) deep += "<a>";
  EXPECT_NE(Refusal(With(text_, "<Payload>", deep)), "");
}

TEST_F(Rim, ResourcesAreExact) {
  const std::string hash(96, '7');
  EXPECT_NE(Refusal(With(text_, "alternatives=\"2\"", "alternatives=\"3\"")), "");
  EXPECT_NE(Refusal(With(text_, "alternatives=\"2\"", "alternatives=\"0\"")), "");
  EXPECT_NE(Refusal(With(text_, "alternatives=\"2\"", "alternatives=\"65\"")), "");
  EXPECT_NE(Refusal(With(text_, "index=\"1\"", "index=\"2\"")), "");
  EXPECT_NE(Refusal(With(text_, "index=\"1\"", "index=\"255\"")), "");
  EXPECT_NE(Refusal(With(text_, "index=\"1\"", "index=\"-1\"")), "");
  EXPECT_NE(Refusal(With(text_, "active=\"True\"", "active=\"yes\"")), "");
  EXPECT_NE(Refusal(With(text_, hash, hash.substr(2))), "");
  EXPECT_NE(Refusal(With(text_, " product=\"GT100\"", "")), "");
  EXPECT_NE(Refusal(With(text_, "schema.xsd", "other.xsd")), "");
}

}  // namespace
}  // namespace anchorhold::client
