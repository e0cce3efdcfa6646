import ContentAPI

/// The texts of `--help`.
enum Help {
  static func text(of topic: String?) -> String {
    switch topic {
    case "dev": dev
    case "serve": serve
    case "migrate": migrate
    case "key": key
    case "mail": mail
    default: overview
    }
  }

  private static let overview = """
    Colophon serves a writer's posts, projects and profile as JSON from PostgreSQL.

    Usage: colophon COMMAND

      dev        try it: a private PostgreSQL, sample posts and a key, on 127.0.0.1:8080
      serve      serve the database that DATABASE_URL names
      migrate    bring that database to this version, or make it
      key        create, list, rotate and revoke API keys
      mail       list mails that have not left, and send dead ones again

      help COMMAND, COMMAND --help    what a command takes
      --version                       which version this is

    Exit status: 0 done, 1 failed, 2 not understood.
    """

  private static let dev = """
    Usage: colophon dev [--port N] [--data DIR] [--empty]

    Starts a private PostgreSQL from the server programs of this machine; the first time makes the
    database, thirty sample posts, three projects and a profile. Prints an API key and lines to try,
    and serves. Ctrl-C stops it all; the data stays.

      --port N      listen on this port of 127.0.0.1 (8080); 0 takes any free one
      --data DIR    keep database and key here (.colophon)
      --empty       no samples
    """

  private static let serve = """
    Usage: colophon serve

    Serves the database that DATABASE_URL names, which `colophon migrate` must have made. SIGTERM ends
    it in order: readiness fails, requests under way are answered; a second one ends it at once.

      DATABASE_URL               libpq URI or keywords; several hosts for failover (required)
      COLOPHON_LISTEN            address and port (127.0.0.1:8080)
      COLOPHON_PRIVATE_LISTEN    of /livez, /readyz, /metrics; private (127.0.0.1:9090)
      COLOPHON_PUBLIC_URL        put before paths in Location and Link (nothing)
      COLOPHON_POST_PAGE         a post's page, for feeds: https://example.com/{slug} (by the profile)
      COLOPHON_CORS_ORIGINS      whose pages may read it in a browser: *, off, or a list (*)
      COLOPHON_SIGNUP_PAGE       where a plain sign-up form leads (a page of its own)
      COLOPHON_MAIL_FROM         the address that mail comes from; without, it waits (nothing)
      COLOPHON_SENDMAIL          the program that takes mail (/usr/sbin/sendmail)
      COLOPHON_TRUSTED_PROXIES   addresses and networks that may name a client (none)
      COLOPHON_CLIENT_HEADER     where they do: X-Forwarded-For or Forwarded (X-Forwarded-For)
      COLOPHON_RATE_LIMITS       how much may be asked; off, or as README shows
      COLOPHON_CACHE_MB          megabytes of answers kept in memory (32); 0 keeps none
      COLOPHON_RUNTIME_ROLE      the role that migrate grants rights to (colophon_runtime)
      COLOPHON_DRAIN_SECONDS     how long the end may take (20)
    """

  private static let migrate = """
    Usage: colophon migrate

    Makes the database that DATABASE_URL names, or brings it from any earlier version to this one.
    Several may run at once: one works, the others find it done. Then grants COLOPHON_RUNTIME_ROLE
    (colophon_runtime) what `serve` needs; statements that it may not run itself it prints.
    """

  private static let key = """
    Usage: colophon key create NAME --scope SCOPE,…
           colophon key list [--json]
           colophon key rotate ID
           colophon key revoke ID

    Manages the API keys of the database that DATABASE_URL names. `create` and `rotate` print the new
    key alone on standard output, once: only a digest is kept. After `rotate` both keys of the account
    work until you revoke one. A revoked key stops working within 8 seconds.

    Scopes: posts:write (posts and tags), posts:read_drafts, projects:write,
    profile:write (profile and newsletter), subscribers:read, subscribers:write
    """

  private static let mail = """
    Usage: colophon mail list [--json]
           colophon mail retry ID
           colophon mail retry --all

    Shows the mails that wait to be handed to sendmail, and those that are dead, because handing them
    over has failed \(MailBackoff.attempts) times within a day. `retry` puts dead ones back, with as many attempts
    before them; they keep their Message-ID. How the last attempt failed stands at the end of a
    line; what sendmail said is in the log of `serve`.
    """
}
