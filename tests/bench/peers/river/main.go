// Worker of River for the bench: each job appends its number and the microsecond at which its handler ran.
//
//	river migrate
//	river work <file> <name> [option=value ...]
//
// Options, all integers: workers, cooldown, poll (both ms), sleep (ms in the handler), rescue, timeout (both s).
// Without an option River's own default holds; MaxWorkers has none and is 100, as in its documentation's example.
package main

import (
	"context"
	"fmt"
	"log"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivermigrate"
)

type Tick struct {
	Number int64 `json:"number"`
}

func (Tick) Kind() string { return "tick" }

type Ticker struct {
	river.WorkerDefaults[Tick]
	fires *os.File
	sleep time.Duration
}

func (t *Ticker) Work(_ context.Context, job *river.Job[Tick]) error {
	if _, err := fmt.Fprintf(t.fires, "%d %d\n", job.Args.Number, time.Now().UnixMicro()); err != nil {
		return err
	}
	time.Sleep(t.sleep)
	return nil
}

type options map[string]int

func read(arguments []string) options {
	read := options{}
	for _, argument := range arguments {
		name, value, _ := strings.Cut(argument, "=")
		read[name] = must(strconv.Atoi(value))
	}
	return read
}

func (o options) or(name string, otherwise int) int {
	if value, there := o[name]; there {
		return value
	}
	return otherwise
}

func must[T any](value T, err error) T {
	if err != nil {
		log.Fatal(err)
	}
	return value
}

func main() {
	ctx := context.Background()
	pool := must(pgxpool.New(ctx, os.Getenv("DATABASE_URL")))
	if os.Args[1] == "migrate" {
		must(must(rivermigrate.New(riverpgxv5.New(pool), nil)).Migrate(ctx, rivermigrate.DirectionUp, nil))
		return
	}
	wanted := read(os.Args[4:])
	fires := must(os.OpenFile(os.Args[2], os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644))
	workers := river.NewWorkers()
	river.AddWorker(workers, &Ticker{fires: fires, sleep: time.Duration(wanted.or("sleep", 0)) * time.Millisecond})
	// Zero means River's default.
	client := must(river.NewClient(riverpgxv5.New(pool), &river.Config{
		ID:                   os.Args[3],
		Workers:              workers,
		Queues:               map[string]river.QueueConfig{"default": {MaxWorkers: wanted.or("workers", 100)}},
		FetchCooldown:        time.Duration(wanted.or("cooldown", 0)) * time.Millisecond,
		FetchPollInterval:    time.Duration(wanted.or("poll", 0)) * time.Millisecond,
		RescueStuckJobsAfter: time.Duration(wanted.or("rescue", 0)) * time.Second,
		JobTimeout:           time.Duration(wanted.or("timeout", 0)) * time.Second,
	}))
	if err := client.Start(ctx); err != nil {
		log.Fatal(err)
	}
	select {}
}
