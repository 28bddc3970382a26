#include "client/gpu/xml_document.h"

#include <libxml/parser.h>

#include <algorithm>

namespace anchorhold::client {
namespace {

struct FreeText {
  void operator()(xmlChar* text) const { xmlFree(text); }
};
using XmlText = std::unique_ptr<xmlChar, FreeText>;

const xmlChar* Native(const std::string& text) {
  return reinterpret_cast<const xmlChar*>(text.c_str());
}

std::string_view Text(const xmlChar* text) {
  return text == nullptr ? std::string_view() : reinterpret_cast<const char*>(text);
}

// What this program does not want libxml2 to see; see the header.
Status CheckBytes(std::string_view text) {
  if (text.size() > kXmlBytesMax) return LimitExceeded("an XML document that is too long");
  if (text.find('\0') != std::string_view::npos) return InvalidInput("a zero byte in XML");
  if (text.find("<!") != std::string_view::npos) {
    return InvalidInput("XML with a document type, a comment or a CDATA section");
  }
  const std::size_t from = text.starts_with("<?xml ") ? 1 : 0;
  if (text.find("<?", from) != std::string_view::npos) {
    return InvalidInput("XML with a processing instruction");
  }
  return Ok();
}

}  // namespace

Result<XmlDocument> XmlDocument::Parse(ByteSpan bytes) {
  AH_RETURN_IF_ERROR(CheckBytes(AsText(bytes)));
  xmlInitParser();
  XmlDocument document(xmlReadMemory(reinterpret_cast<const char*>(bytes.data()),
                                     static_cast<int>(bytes.size()), nullptr, "UTF-8",
                                     XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING));
  if (document.native() == nullptr || xmlDocGetRootElement(document.native()) == nullptr) {
    return InvalidInput("not well-formed XML");
  }
  if (document.native()->intSubset != nullptr || document.native()->extSubset != nullptr) {
    return InvalidInput("XML with a document type");
  }
  return document;
}

xmlNode* XmlDocument::root() const { return xmlDocGetRootElement(document_.get()); }

std::vector<xmlNode*> XmlChildren(const xmlNode* element) {
  std::vector<xmlNode*> out;
  for (xmlNode* child = element->children; child != nullptr; child = child->next) {
    if (child->type == XML_ELEMENT_NODE) out.push_back(child);
  }
  return out;
}

bool XmlIs(const xmlNode* element, std::string_view name_space, std::string_view name) {
  return element->type == XML_ELEMENT_NODE && Text(element->name) == name &&
         element->ns != nullptr && Text(element->ns->href) == name_space;
}

Result<xmlNode*> XmlOnlyChild(const xmlNode* element, std::string_view name_space,
                              std::string_view name) {
  xmlNode* found = nullptr;
  for (xmlNode* const child : XmlChildren(element)) {
    if (!XmlIs(child, name_space, name)) continue;
    if (found != nullptr) return InvalidInput("two elements " + std::string(name));
    found = child;
  }
  if (found == nullptr) return InvalidInput("no element " + std::string(name));
  return found;
}

std::optional<std::string> XmlAttribute(const xmlNode* element, const std::string& name,
                                        const std::string& name_space) {
  const XmlText text(name_space.empty() ? xmlGetNoNsProp(element, Native(name))
                                        : xmlGetNsProp(element, Native(name), Native(name_space)));
  if (text == nullptr) return std::nullopt;
  return std::string(Text(text.get()));
}

Result<std::string> XmlPackedText(const xmlNode* element) {
  for (const xmlNode* child = element->children; child != nullptr; child = child->next) {
    if (child->type != XML_TEXT_NODE) {
      return InvalidInput("something other than text in " + std::string(Text(element->name)));
    }
  }
  const XmlText text(xmlNodeGetContent(element));
  std::string out(Text(text.get()));
  std::erase_if(out, [](char c) { return c == ' ' || c == '\n' || c == '\r' || c == '\t'; });
  return out;
}

}  // namespace anchorhold::client
