//! The reads of Colophon, and a write under a key, as they are usually written in Rust: hyper,
//! tokio-postgres, serde_json. Reads share eight connections, on which tokio-postgres pipelines by
//! itself; a write has one of eight others to itself and waits for each of its six statements.
//! Usage: peer DATABASE PORT
use hyper::service::{make_service_fn, service_fn};
use hyper::{Body, Method, Request, Response, Server};
use serde_json::{json, Value};
use std::convert::Infallible;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::Arc;
use tokio::sync::Mutex;
use tokio_postgres::{Client, NoTls, Row, Statement};

const COLUMNS: &str = "id::text, slug, type, title, coalesce(excerpt, derived_excerpt), body, \
  status, featured, featured_order, tags, cover_image_url, cover_image_alt, canonical_url, \
  meta_title, meta_description, reading_time, word_count, colophon.rfc3339(published_at), \
  colophon.rfc3339(created_at), colophon.rfc3339(updated_at), version";
const PUBLIC: &str = "status = 'published' and trashed_at is null and published_at <= now()";

struct Reader {
    client: Client,
    item: Statement,
    count: Statement,
    list: Statement,
}

struct Writer {
    client: Client,
    claim: Statement,
    insert: Statement,
    list: Statement,
    look: Statement,
    project: Statement,
    keep: Statement,
}

struct State {
    readers: Vec<Reader>,
    writers: Vec<Mutex<Writer>>,
    turn: AtomicUsize,
}

fn text(row: &Row, index: usize) -> Value {
    row.get::<_, Option<&str>>(index).map_or(Value::Null, Value::from)
}

fn post(row: &Row, with_body: bool) -> Value {
    let cover = match row.get::<_, Option<&str>>(10) {
        Some(url) => json!({"url": url, "alt": text(row, 11)}),
        None => Value::Null,
    };
    let mut post = json!({
        "id": text(row, 0), "slug": text(row, 1), "type": text(row, 2), "title": text(row, 3),
        "excerpt": text(row, 4), "status": text(row, 6), "featured": row.get::<_, bool>(7),
        "featured_order": row.get::<_, Option<i32>>(8), "tags": row.get::<_, Vec<&str>>(9),
        "cover_image": cover, "canonical_url": text(row, 12), "meta_title": text(row, 13),
        "meta_description": text(row, 14), "reading_time": row.get::<_, i32>(15),
        "word_count": row.get::<_, i32>(16), "published_at": text(row, 17),
        "created_at": text(row, 18), "updated_at": text(row, 19),
        "version": row.get::<_, i32>(20)});
    if with_body {
        post["body"] = text(row, 5);
    }
    post
}

fn answer(status: u16, value: Value) -> Response<Body> {
    Response::builder()
        .status(status)
        .header("Content-Type", "application/json")
        .body(Body::from(value.to_string()))
        .unwrap()
}

async fn respond(state: Arc<State>, request: Request<Body>) -> Result<Response<Body>, tokio_postgres::Error> {
    let turn = state.turn.fetch_add(1, Ordering::Relaxed);
    let path = request.uri().path().to_owned();
    if request.method() == Method::POST {
        let key = request.headers()["idempotency-key"].to_str().unwrap().to_owned();
        let bytes = hyper::body::to_bytes(request.into_body()).await.unwrap();
        // On its own, as it would be dropped, and its transaction left open, with the connection of a
        // client that hangs up.
        return if path == "/v1/projects" {
            tokio::spawn(write_project(state, turn, key, bytes)).await.unwrap()
        } else {
            tokio::spawn(write(state, turn, key, bytes)).await.unwrap()
        };
    }
    let reader = &state.readers[turn % state.readers.len()];
    if let Some(slug) = path.strip_prefix("/v1/posts/") {
        return Ok(match reader.client.query_opt(&reader.item, &[&slug]).await? {
            Some(row) => answer(200, post(&row, true)),
            None => answer(404, Value::Null),
        });
    }
    let query = request.uri().query().unwrap_or("");
    let tags = vec![query.strip_prefix("tag=").unwrap_or("")];
    let total: i64 = reader.client.query_one(&reader.count, &[&tags]).await?.get(0);
    let rows = reader.client.query(&reader.list, &[&tags]).await?;
    let list: Vec<Value> = rows.iter().map(|row| post(row, false)).collect();
    Ok(answer(200, json!({"data": list, "meta": {"total": total, "limit": 20}})))
}

async fn write(
    state: Arc<State>, turn: usize, key: String, bytes: hyper::body::Bytes,
) -> Result<Response<Body>, tokio_postgres::Error> {
    let value: Value = serde_json::from_slice(&bytes).unwrap();
    let body = value["body"].as_str().unwrap();
    let words = body.split_whitespace().count() as i32;
    let excerpt: String = body.chars().take(199).chain(['…']).collect();
    let writer = state.writers[turn % state.writers.len()].lock().await;
    writer.client.batch_execute("begin").await?;
    assert!(writer.client.execute(&writer.claim, &[&key, &&bytes[..]]).await? == 1);
    let row = writer
        .client
        .query_one(
            &writer.insert,
            &[&value["slug"].as_str(), &value["title"].as_str(), &body, &excerpt, &words],
        )
        .await?;
    let post = post(&row, true);
    let shard = (turn % 16) as i32;
    writer.client.execute(&writer.list, &[&post["id"].as_str(), &shard]).await?;
    writer.client.execute(&writer.keep, &[&key, &post.to_string()]).await?;
    writer.client.batch_execute("commit").await?;
    Ok(answer(201, post))
}

async fn write_project(
    state: Arc<State>, turn: usize, key: String, bytes: hyper::body::Bytes,
) -> Result<Response<Body>, tokio_postgres::Error> {
    let value: Value = serde_json::from_slice(&bytes).unwrap();
    let writer = state.writers[turn % state.writers.len()].lock().await;
    writer.client.batch_execute("begin").await?;
    writer.client.execute(&writer.claim, &[&key, &&bytes[..]]).await?;
    let kept = writer.client.query_one(&writer.look, &[&key]).await?;
    assert!(kept.get::<_, Option<&str>>(0).is_none());
    let position = value["position"].as_i64().unwrap() as i32;
    let row = writer
        .client
        .query_one(
            &writer.project,
            &[&value["slug"].as_str(), &value["name"].as_str(), &position, &value["body"].as_str()],
        )
        .await?;
    let project = json!({
        "id": text(&row, 0), "slug": text(&row, 1), "name": text(&row, 2),
        "description": text(&row, 3), "url": text(&row, 4), "repository_url": text(&row, 5),
        "tags": row.get::<_, Vec<&str>>(6), "featured": row.get::<_, bool>(7),
        "position": row.get::<_, i32>(8), "body": text(&row, 9), "created_at": text(&row, 10),
        "updated_at": text(&row, 11), "version": row.get::<_, i32>(12)});
    writer.client.execute(&writer.keep, &[&key, &project.to_string()]).await?;
    writer.client.batch_execute("commit").await?;
    Ok(answer(201, project))
}

async fn connect(database: &str) -> Client {
    let (client, connection) = tokio_postgres::connect(database, NoTls).await.unwrap();
    tokio::spawn(async move { connection.await.unwrap() });
    client
}

#[tokio::main]
async fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let mut state = State { readers: vec![], writers: vec![], turn: AtomicUsize::new(0) };
    for _ in 0..8 {
        let client = connect(&arguments[1]).await;
        let prepare = |sql: String| {
            let client = &client;
            async move { client.prepare(&sql).await.unwrap() }
        };
        let item = prepare(format!(
            "select {COLUMNS} from colophon.posts where slug = $1 and {PUBLIC}")).await;
        let count = prepare(format!(
            "select count(*) from colophon.posts where tags && $1 and {PUBLIC}")).await;
        let list = prepare(format!(
            "select {COLUMNS} from colophon.posts where tags && $1 and {PUBLIC} \
             order by published_at desc, id desc limit 20")).await;
        state.readers.push(Reader { client, item, count, list });
    }
    connect(&arguments[1]).await.batch_execute(
        "create table if not exists public.peer_keys ( \
           key text primary key, fingerprint bytea not null, answer text)",
    ).await.unwrap();
    for _ in 0..8 {
        let client = connect(&arguments[1]).await;
        let claim = client.prepare(
            "insert into public.peer_keys (key, fingerprint) values ($1, sha256($2)) \
             on conflict do nothing").await.unwrap();
        let list = client.prepare(
            "with l as ( \
               insert into colophon.listings (post_id, tag, published_at, counted) \
               select $1::text::uuid, t, now(), true from unnest(array['', 'written']) t), \
             g as ( \
               insert into colophon.tags (slug, name) values ('written', 'written') \
               on conflict do nothing) \
             insert into colophon.counters (tag, shard, posts) \
             select t, $2::integer::smallint, 1 from unnest(array['', 'written']) t \
             on conflict (tag, shard) do update set posts = counters.posts + 1").await.unwrap();
        let insert = client.prepare(&format!(
            "insert into colophon.posts \
               (slug, title, body, derived_excerpt, word_count, status, published_at, tags, counted) \
             values ($1, $2, $3, $4, $5, 'published', now(), array['written'], true) \
             returning {COLUMNS}")).await.unwrap();
        let look = client.prepare(
            "select answer from public.peer_keys where key = $1").await.unwrap();
        let project = client.prepare(
            "insert into colophon.projects (slug, name, position, body) values ($1, $2, $3, $4) \
             returning id::text, slug, name, description, url, repository_url, tags, featured, \
               position, body, colophon.rfc3339(created_at), colophon.rfc3339(updated_at), \
               version").await.unwrap();
        let keep = client.prepare("update public.peer_keys set answer = $2 where key = $1").await.unwrap();
        state.writers.push(Mutex::new(Writer {
            client, claim, insert, list, look, project, keep,
        }));
    }
    let state = Arc::new(state);
    let make = make_service_fn(move |_| {
        let state = state.clone();
        async move {
            Ok::<_, Infallible>(service_fn(move |request| respond(state.clone(), request)))
        }
    });
    let address = format!("127.0.0.1:{}", arguments[2]).parse().unwrap();
    Server::bind(&address).tcp_nodelay(true).serve(make).await.unwrap();
}
