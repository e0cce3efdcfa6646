/// SQL that writes a web address as a URI (RFC 3986). `WebAddress` takes what browsers take, such as
/// letters beyond ASCII, and the formats of feeds do not.
enum URIText {
  /// The address with every character percent-encoded that no URI has in its place (RFC 3987 §3.1);
  /// most addresses as they are. NULL stays NULL.
  static func of(_ address: String) -> String {
    """
    case
          when \(address) !~ '[^!$&''()*+,/:;=?@A-Za-z0-9._~%#-]|%(?![0-9A-Fa-f]{2})|#.*#'
            then \(address)
          else (
            select string_agg(case
                when c.c ~ '[!$&''()*+,/:;=?@A-Za-z0-9._~-]' then c.c
                when c.c = '#' and c.place = position('#' in \(address)) then c.c
                when c.c = '%' and substr(\(address), c.place::integer) ~ '^%[0-9A-Fa-f]{2}'
                  then c.c
                when c.c in ('[', ']')
                  and c.place <= length(substring(\(address) from '\(origin)')) then c.c
                else regexp_replace(
                  upper(encode(convert_to(c.c, 'UTF8'), 'hex')), '(..)', '%\\1', 'g')
              end, '' order by c.place)
            from regexp_split_to_table(\(address), '') with ordinality c(c, place)
          ) end
    """
  }

  /// A pattern of scheme, host and port.
  static let origin = "^[A-Za-z]+://[^/?#]*"
}
