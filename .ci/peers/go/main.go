// The reads of Colophon as they are usually written in Go: net/http, pgx with its pool, a struct,
// encoding/json. Usage: peer DATABASE PORT
package main

import (
	"context"
	"encoding/json"
	"log"
	"net/http"
	"os"
	"strings"

	"github.com/jackc/pgx/v4/pgxpool"
)

type cover struct {
	URL string  `json:"url"`
	Alt *string `json:"alt"`
}

type post struct {
	ID              string   `json:"id"`
	Slug            string   `json:"slug"`
	Type            string   `json:"type"`
	Title           string   `json:"title"`
	Excerpt         string   `json:"excerpt"`
	Body            *string  `json:"body,omitempty"`
	Status          string   `json:"status"`
	Featured        bool     `json:"featured"`
	FeaturedOrder   *int32   `json:"featured_order"`
	Tags            []string `json:"tags"`
	CoverImage      *cover   `json:"cover_image"`
	CanonicalURL    *string  `json:"canonical_url"`
	MetaTitle       *string  `json:"meta_title"`
	MetaDescription *string  `json:"meta_description"`
	ReadingTime     int32    `json:"reading_time"`
	WordCount       int32    `json:"word_count"`
	PublishedAt     *string  `json:"published_at"`
	CreatedAt       string   `json:"created_at"`
	UpdatedAt       string   `json:"updated_at"`
	Version         int32    `json:"version"`
}

const columns = `id::text, slug, type, title, coalesce(excerpt, derived_excerpt), body, status,
  featured, featured_order, tags, cover_image_url, cover_image_alt, canonical_url, meta_title,
  meta_description, reading_time, word_count, colophon.rfc3339(published_at),
  colophon.rfc3339(created_at), colophon.rfc3339(updated_at), version`

type row interface{ Scan(...interface{}) error }

func read(r row) (*post, error) {
	var p post
	var url, alt *string
	err := r.Scan(&p.ID, &p.Slug, &p.Type, &p.Title, &p.Excerpt, &p.Body, &p.Status, &p.Featured,
		&p.FeaturedOrder, &p.Tags, &url, &alt, &p.CanonicalURL, &p.MetaTitle, &p.MetaDescription,
		&p.ReadingTime, &p.WordCount, &p.PublishedAt, &p.CreatedAt, &p.UpdatedAt, &p.Version)
	if url != nil {
		p.CoverImage = &cover{*url, alt}
	}
	return &p, err
}

const public = `status = 'published' and trashed_at is null and published_at <= now()`

func main() {
	configuration, err := pgxpool.ParseConfig(os.Args[1])
	if err != nil {
		log.Fatal(err)
	}
	configuration.MaxConns = 8
	pool, err := pgxpool.ConnectConfig(context.Background(), configuration)
	if err != nil {
		log.Fatal(err)
	}
	answer := func(w http.ResponseWriter, value interface{}) {
		w.Header().Set("Content-Type", "application/json")
		json.NewEncoder(w).Encode(value)
	}
	http.HandleFunc("/v1/posts/", func(w http.ResponseWriter, r *http.Request) {
		slug := strings.TrimPrefix(r.URL.Path, "/v1/posts/")
		p, err := read(pool.QueryRow(r.Context(),
			"select "+columns+" from colophon.posts where slug = $1 and "+public, slug))
		if err != nil {
			http.NotFound(w, r)
			return
		}
		answer(w, p)
	})
	http.HandleFunc("/v1/posts", func(w http.ResponseWriter, r *http.Request) {
		tags := []string{r.URL.Query().Get("tag")}
		var total int
		err := pool.QueryRow(r.Context(),
			"select count(*) from colophon.posts where tags && $1 and "+public, tags).Scan(&total)
		if err != nil {
			http.Error(w, "no", 500)
			return
		}
		rows, err := pool.Query(r.Context(), "select "+columns+
			" from colophon.posts where tags && $1 and "+public+
			" order by published_at desc, id desc limit 20", tags)
		if err != nil {
			http.Error(w, "no", 500)
			return
		}
		defer rows.Close()
		list := []*post{}
		for rows.Next() {
			p, err := read(rows)
			if err != nil {
				http.Error(w, "no", 500)
				return
			}
			p.Body = nil
			list = append(list, p)
		}
		answer(w, map[string]interface{}{
			"data": list, "meta": map[string]int{"total": total, "limit": 20}})
	})
	log.Fatal(http.ListenAndServe("127.0.0.1:"+os.Args[2], nil))
}
