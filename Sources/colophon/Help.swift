import ContentAPI

/// The texts of `--help`.
enum Help {
  static func text(of topic: String?) -> String {
    switch topic {
    case "dev": dev
    case "serve": serve
    case "migrate": migrate
    case "check": check
    case "key": key
    case "mail": mail
    case "top": top
    case "import": importing
    case "export": exporting
    default: overview
    }
  }

  private static let overview = """
    Colophon serves a writer's posts, projects and profile as JSON from PostgreSQL.

    Usage: colophon COMMAND

      dev        try it: a private PostgreSQL, sample posts and a key, on 127.0.0.1:8080
      serve      serve the database that DATABASE_URL names
      migrate    bring that database to this version, or make it
      check      look at configuration and database, and say what is wrong
      import     take Markdown files in as posts
      export     write every post to a folder, as a Markdown file
      key        create, list, rotate and revoke API keys
      mail       list mails that have not left, and send dead ones again
      top        watch a server: rates, latency, cache, database, limits, mail

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
    Under systemd it serves the sockets that it is given, tells when it is ready and that it lives,
    and takes any of these variables from a credential of that name.

      DATABASE_URL               libpq URI or keywords; several hosts for failover (required)
      COLOPHON_READ_DATABASE_URL  a standby, for public reads while that is away (nothing)
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
      COLOPHON_CONNECTIONS_PER_ADDRESS  open at a time (20000); 0 for any number
      COLOPHON_CACHE_MB          megabytes of answers kept in memory (32); 0 keeps none
      COLOPHON_RUNTIME_ROLE      the role that migrate grants rights to (colophon_runtime)
      COLOPHON_LOG_LEVEL         error, warning, notice, info or debug (info)
      COLOPHON_DRAIN_SECONDS     how long the end may take (20)
    """

  private static let migrate = """
    Usage: colophon migrate

    Makes the database that DATABASE_URL names, or brings it from any earlier version to this one.
    Several may run at once: one works, the others find it done. Then grants COLOPHON_RUNTIME_ROLE
    (colophon_runtime) what `serve` needs; statements that it may not run itself it prints.
    """

  private static let check = """
    Usage: colophon check [--json]

    Looks at the configuration and at the database that DATABASE_URL names, as `serve` would use them,
    and changes nothing. A line for each thing: ok, note (it works, perhaps not as meant) or wrong,
    and how to mend it. Run it with the environment and as the user that `serve` has.

    Exit status: 0 nothing is wrong, 1 something is, 2 not understood.
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

  private static let top = """
    Usage: colophon top [ADDRESS]

    Shows what one server does, once a second, from the metrics of its private listener: the one of
    COLOPHON_PRIVATE_LISTEN (127.0.0.1:9090), or that at ADDRESS, such as 10.0.0.5:9090. While the server
    is down it says so and goes on trying. q or Ctrl-C ends it.

    Rates and percentiles are those of the last second; percentiles are as exact as the buckets of the
    histograms. When standard output is no terminal, it measures for a second, prints that and ends.

    Exit status: 0 done, 1 no answer (only when standard output is no terminal), 2 not understood.
    """

  private static let importing = """
    Usage: colophon import [--dry-run] PATH…

    Takes Markdown files with front matter in as posts, into the database that DATABASE_URL names. Of a
    folder it takes every *.md and *.markdown in it and below, but not in folders that begin with a
    dot or are called node_modules; README.md and _index.md are passed over. Front matter is YAML
    between lines ---, or TOML between lines +++, as Jekyll, Hugo and Astro have it.

      slug         slug, else the name of the file without its date; of index.md the folder's
      title        title
      date         publishDate, pubDate or date, else the date in the file's name; UTC without a zone
      tags         tags and categories, as a list or as words with blanks or commas between them
      excerpt      excerpt, summary or description
      status       draft, published or status; in a folder _drafts it is a draft without them
      cover_image  cover_image, heroImage or image, where it is a whole https address
      the others   type, featured, featured_order, canonical_url, meta_title, meta_description

    All other keys are left out and named at the end. A file is in whole or not at all: one with a fault
    is left out, the others get in, and the faults stand at the end with file and line. Import as
    often as you like: what is there already stays as it is, without a new version, and an import
    that was interrupted is taken up by running it again. Nothing is ever deleted; a post in the trash
    comes back when its file is imported.

      --dry-run     try everything and write nothing

    Exit status: 0 everything is in, 1 there were faults, 2 not understood.
    """

  private static let exporting = """
    Usage: colophon export DIR

    Writes every post that is not in the trash, drafts and scheduled ones too, to DIR/SLUG.md: front
    matter and body, as `colophon import` and PUT take them, and all as they are at one moment. A file
    that is right already is not touched. Nothing is ever deleted: files of posts that are no more are
    named at the end.

    Exit status: 0 done, 1 something could not be written, 2 not understood.
    """
}
