#!/usr/bin/env python3
"""Write the quick start's data: recipes/quickstart/data/*.jsonl.

    python3 scripts/make_quickstart_data.py [--out recipes/quickstart/data]

Needs only the standard library. The same script always writes the same bytes
(seeded by SEED), and the files are committed, so a user never has to run it.

Every sentence here and in quickstart_data/ was written for this project. Two data sets come out:

base_text.jsonl, base_chat.jsonl
    General English: everyday prose, and questions and answers about everyday
    life and about other small shops. The base model learns English words, the
    chat form and how customers ask. None of the company's facts is in it.

faq_train.jsonl, faq_valid.jsonl, faq_heldout.jsonl
    The questions of customers of a fictional company, Fern and Otter. Each fact
    has one answer and many wordings of the question.

How the wordings are split. A *wording* is one whole question as written; for the
products it is a pattern such as "How heavy is the {p}?", asked of several
products. Each wording goes to exactly one of train, valid and heldout, by a
seeded shuffle, not by choice: three wordings of each fact are held out. The
greetings and endings put around a question ("Hi, ...", "... Thanks!") are drawn from the same
lists for all three files and do not make a wording new. check_split() refuses
to write when a held-out or validation wording occurs in any file that is trained on,
compared without case, punctuation and those greetings and endings.
"""

import argparse
import json
import random
import re
from pathlib import Path
from typing import NamedTuple

SEED = 20240601
HELD_OUT_WORDINGS = 3  # of each fact
VALID_WORDINGS = 1     # of each fact
COMPANY = "Fern and Otter"
MIN_WORDINGS = 70      # of each fact and of each product property

# A wording about a product property is asked of so many products: many wordings teach more than many products.
PRODUCTS_PER_WORDING = 3


# ---------------------------------------------------------------------------
# The company's facts. The wordings are in quickstart_data/.
# ---------------------------------------------------------------------------

class Product(NamedTuple):
    name: str
    noun: str
    price: int
    material: str
    size: str
    warranty: int
    colours: str


PRODUCTS = (
    Product("Lark", "kettle", 39, "steel", "holds 2 litres of water", 3, "black, cream and green"),
    Product("Heron", "lamp", 68, "brass", "is 42 cm tall", 5, "gold and grey"),
    Product("Badger", "backpack", 85, "waxed cotton", "holds 24 litres", 10, "brown and dark blue"),
    Product("Wren", "mug", 12, "clay", "holds 300 ml", 1, "white, blue and yellow"),
    Product("Fox", "blanket", 74, "lamb wool", "is 140 cm wide and 200 cm long", 4, "red and cream"),
    Product("Beaver", "stool", 56, "oak", "is 45 cm high", 15, "light oak and dark oak"),
    Product("Robin", "teapot", 33, "glass", "holds 1 litre of tea", 2, "clear and smoky grey"),
    Product("Hare", "bottle", 18, "light metal", "holds 750 ml", 6, "silver, orange and black"),
    Product("Owl", "clock", 47, "walnut wood", "is 30 cm across", 7, "walnut and white"),
    Product("Swan", "vase", 28, "white stone", "is 26 cm tall", 8, "white and pale pink"),
    Product("Mole", "doormat", 24, "coconut fibre", "is 60 cm wide and 40 cm deep", 9, "brown and green"),
    Product("Bear", "tent", 149, "strong canvas", "sleeps four people", 12, "green and sand"),
)

def product_answer(product: Product, attribute: str) -> str:
    full_name = f"The {product.name} {product.noun}"
    years = "1 year" if product.warranty == 1 else f"{product.warranty} years"
    return {
        "price": f"{full_name} costs {product.price} euros.",
        "material": f"{full_name} is made of {product.material}.",
        "size": f"{full_name} {product.size}.",
        "warranty": f"{full_name} has a warranty of {years}.",
        "colours": f"{full_name} comes in {product.colours}.",
    }[attribute]


GREETINGS = ("Hi, ", "Hello, ", "Good morning, ", "Hey, ", "Hi there, ", "Quick question: ", "Excuse me, ", "Hello! ",
             "Good evening, ", "Sorry to bother you, ")
ENDINGS = (" Thanks!", " Thank you.", " Thanks a lot.", " Thank you very much!", " Many thanks.", " Cheers!")


# ---------------------------------------------------------------------------
# General English for the base model. None of it is about Fern and Otter.
# ---------------------------------------------------------------------------

# Prose: a scene is a list of steps, a step is one sentence in several versions.
# A row takes one version of each step; {name} etc. are the same within a row.
SCENES = (
    (
        ("{name} opened the {shop} a little after {hour}.", "It was {weekday}, and {name} unlocked the door of the {shop}.",
         "Every morning {name} walks to the {shop} before {hour}.", "The lights of the {shop} went on at {hour}."),
        ("The street was still quiet and wet from the rain.", "Outside, a man was sweeping leaves from the path.",
         "A cat sat on the step and waited for its milk.", "The first bus of the day had just gone by."),
        ("The smell of fresh {food} filled the room.", "On the counter stood a basket of {food}.",
         "There were not many things left on the shelves.", "Two boxes had come the evening before and had to be opened."),
        ("An old woman came in and asked for {food}.", "A boy in a {colour} coat wanted to know what the {thing} cost.",
         "The first customer was in a hurry and paid by card.", "A young couple looked at the {colour} {thing} for a long time."),
        ("\"It is a present for my sister,\" she said.", "\"I will take two, please,\" said the customer.",
         "\"Do you also have it in {colour}?\" was the question.", "\"Could you wrap it for me?\" asked the customer."),
        ("{name} smiled and put it in a paper bag.", "{name} looked in the back room and found the last one.",
         "{name} wrote the price on a small piece of paper.", "{name} shook hands with the customer and said thank you."),
        ("By noon the {shop} was full of people.", "So the day began, like many days before.",
         "It was going to be a good day.", "Then the door closed, and it was quiet again."),
    ),
    (
        ("{name} wanted to make {food} for the whole family.", "On {weekday} it was {name}'s turn to cook.",
         "{name} had never made {food} before.", "There were guests for dinner, so {name} began early."),
        ("First you need flour, butter, salt and a little water.", "The potatoes were washed, peeled and cut into small pieces.",
         "The onions go into a hot pan with some oil.", "The water has to boil before anything else is done."),
        ("Stir it slowly and do not let it burn.", "After ten minutes the kitchen smelled wonderful.",
         "It needs about half an hour in the oven.", "A pinch of salt makes all the difference."),
        ("The children set the table with the {colour} plates.", "Somebody rang the bell, but the soup could not wait.",
         "The {colour} pot was far too small.", "{friend} brought a bottle of juice and a bunch of flowers."),
        ("Everybody had a second plate.", "\"You must give me the recipe,\" said {friend}.",
         "The bread was a little dark, but nobody minded.", "There was nothing left at the end."),
        ("Afterwards they washed the dishes together.", "They sat at the table and talked until it was late.",
         "Next time {friend} will cook.", "{name} was tired and happy."),
    ),
    (
        ("In {month} the garden of {name} is full of flowers.", "{name} has a small garden behind the house.",
         "In spring {name} plants beans, carrots and peas.", "Last {month} there was hardly any rain."),
        ("The apple tree is older than the house.", "A robin and a wren live in the hedge.",
         "Bees fly from flower to flower.", "Snails like the young leaves best."),
        ("Plants need light, water and good soil.", "Watering is best done early in the morning.",
         "The ground is dry, so it has to be watered every day.", "Weeds grow faster than anything else."),
        ("{friend} from next door helps to dig.", "{friend} gave advice and a bag of seeds.",
         "With a good spade the work is soon done.", "An old {colour} chair stands under the tree."),
        ("In autumn there are baskets full of fruit.", "Nothing tastes better than a tomato from your own garden.",
         "The first strawberries are always the sweetest.", "What the family cannot eat is given to the neighbours."),
        ("Then winter comes and the garden sleeps.", "A garden is never finished.",
         "{name} would not change it for a palace.", "In the evening you can hear the birds sing."),
    ),
    (
        ("{name} ordered a {colour} {thing} for {friend}.", "{name} waited for a parcel the whole week.",
         "On {weekday} a parcel arrived for {name}.", "The postman knocked at the door of {name}."),
        ("The box was large, but it was not heavy.", "The address had been written by hand.",
         "One corner of the box was crushed.", "Inside was a lot of paper and a short letter."),
        ("It was not the right size.", "The colour was different from the picture.", "The lid was broken and a part was missing.",
         "Everything was exactly as it should be."),
        ("{name} took the receipt and wrote to the shop.", "\"I will send it back and ask for a refund,\" said {name}.",
         "{name} called the shop and explained what had happened.", "\"Maybe they can exchange it,\" said {friend}."),
        ("The shop answered after a few days and was very kind.", "The lady on the telephone promised to help.",
         "They sent a new one and did not charge anything.", "The money was back in the bank before the end of the month."),
        ("Now the {thing} stands in the hall.", "{friend} was very pleased with the present.",
         "It is good to buy from people who keep their word.", "Next time {name} will buy it in town."),
    ),
    (
        ("{name} took the train to the sea on {weekday}.", "The bus to the mountains leaves at {hour}.",
         "In {month} the family of {name} always goes on holiday.", "{name} and {friend} planned a trip by bicycle."),
        ("They packed a tent, two blankets and a bottle of water.", "The backpack was heavy, but the road was good.",
         "They had a map, some bread and no plan at all.", "The tickets were cheaper than they had thought."),
        ("The path went through a dark forest of oak and pine.", "From the hill they could see the whole valley.",
         "A fox crossed the road in front of them.", "Swans and ducks swam on the lake, and a heron stood in the reeds."),
        ("Then the wind grew strong and it began to rain.", "At noon the sun was so hot that they had to rest.",
         "Somewhere an owl called in the night.", "They lost their way twice."),
        ("A farmer let them sleep in the barn.", "They found a small inn with a free room.",
         "They made a fire and cooked soup.", "An old man showed them the way to the next village."),
        ("It was the best trip of the year.", "They came home with wet shoes and many stories.",
         "Next year they want to go even further.", "The photos still hang on the wall in the kitchen."),
    ),
    (
        ("{name} works in a {shop} near the station.", "{name} has learned to be a carpenter.",
         "The workshop of {name} is at the end of the street.", "{name} repairs clocks, lamps and old radios."),
        ("A good chair is made of oak, beech or ash.", "Clay has to dry slowly before it is fired.",
         "Wool is spun first and then it is dyed.", "Steel is strong, glass is hard and cotton is soft."),
        ("Every piece is different.", "You can see at once whether the work was done with care.",
         "It takes a week to make a single {thing}.", "The tools are as old as the house."),
        ("Customers come from far away.", "Some people bring things that others would throw away.",
         "On {weekday} there is a class for beginners.", "{friend} answers the telephone and writes the bills."),
        ("The price is fair, and nobody has ever asked for a discount.", "A repair is often cheaper than a new thing.",
         "What is well made lasts for many years.", "It is not a job that makes you rich."),
        ("But {name} would not want to do anything else.", "In the evening the hands hurt and the heart is light.",
         "One day {friend} will take over the workshop.", "The next job is already waiting."),
    ),
    (
        ("\"Where have you been?\" asked {name}.", "\"Are you ready?\" called {name} from the hall.",
         "\"Have you heard the news?\" said {name}.", "\"What are we going to do on {weekday}?\" asked {name}."),
        ("\"At the {shop},\" said {friend}, \"I needed {food}.\"", "\"Not yet, I cannot find my keys,\" said {friend}.",
         "\"I was at the post office to send a parcel,\" said {friend}.", "\"I do not know,\" said {friend}, \"what would you like?\""),
        ("\"You could have called me.\"", "\"We could go to the market at {hour}.\"", "\"I wanted to ask you something.\"",
         "\"The {shop} is having a sale.\""),
        ("\"I forgot my telephone at home.\"", "\"That is a good idea, but it will be crowded.\"", "\"Of course, what is it?\"",
         "\"Then let us go before everything is gone.\""),
        ("\"I would like to buy a {colour} {thing}.\"", "\"Could you lend me some money until the end of the month?\"",
         "\"How much does a {thing} cost these days?\"", "\"Can you help me to carry the {thing}?\""),
        ("\"Yes, with pleasure,\" said {friend}.", "\"Let me think about it,\" said {friend}.",
         "\"I am sorry, I have no time today,\" said {friend}.", "\"You should ask {third},\" said {friend}."),
        ("So they went together.", "They both laughed.", "Outside it had begun to snow.", "And that was the end of it."),
    ),
    (
        ("Our town has a market on {weekday}.", "The market is the heart of the town.",
         "Before {hour} the farmers put up their tables.", "In {month} the market is the most beautiful."),
        ("You can buy {food}, cheese, eggs and honey there.", "One woman sells baskets, another sells wool.",
         "There are apples in red, yellow and green.", "At one table a man sharpens knives and scissors."),
        ("Whoever comes late pays less.", "Prices are written on small boards.", "Most people pay in cash.",
         "If you ask nicely, you may try the cheese."),
        ("{name} always brings a large bag.", "{name} knows every farmer by name.", "{name} and {friend} meet there for coffee.",
         "Children run between the tables, and dogs look for something to eat."),
        ("The bell of the church rings at noon.", "Then the musicians begin to play.", "A tram stops right beside the square.",
         "Cars have to park on the other side of the river."),
        ("At two o'clock everything is over.", "In the afternoon the square is empty again.",
         "What is not sold goes to the school kitchen.", "Next week they will all be back."),
    ),
)

# Short texts, one a line.
NOTES = """
Badger and Fox lived in the same forest. "Good morning," said Fox. "Good night," said Badger, for he had worked all night.
Bear was always hungry. He asked Hare for a carrot, but Hare only laughed and ran up the hill.
Owl sits in the old oak and looks down at Mole. "Your garden is deep in the ground," said Owl, "mine is in the sky."
Lark sings in the morning and Owl sings at night. Robin cannot decide and sings when Lark is tired.
Beaver and Otter share a river. Beaver builds, and Otter plays. In winter Otter is glad that Beaver has built a house.
Swan swam past Heron. "You are very tall," said Swan. "And you are very white," said Heron. So they became friends.
Wren is the smallest of all, but Wren has the loudest voice. Even Bear stops when Wren calls.
Mole came up under the fern and saw the sun for the first time. "It is too bright," said Mole and went home.
Hare and Fox ran a race. Fox was faster, Hare was smarter, and Badger won because he had started the day before.
Robin lost a feather. Swan found it, Heron carried it, and Lark brought it back to Robin.
Otter invited Bear, Beaver and Wren for supper. There was fish for Otter, honey for Bear, bark for Beaver and a small fly for Wren.
"Who is the oldest of us?" asked Heron. "Badger," said Mole. "Bear," said Fox. "The fern," said Owl, and Owl was right.
A tent is made of canvas or other strong cloth. It holds out the rain, and two or three people can sleep in it.
Waxed cloth holds water out. You can make it yourself with cotton, wax and a warm iron.
Brass is a metal the colour of gold. Lamps, doorbells and trumpets are made of brass.
Walnut is a dark wood, oak is lighter, and pine is the lightest of all. A walnut table costs more than a pine table.
Clay is soft when it is wet and hard when it is fired. A potter can make a cup of clay in five minutes.
The coconut grows on a palm. Its fibre is strong, and people make mats and ropes of it.
A lamb gives soft wool. The wool of an old sheep is rough, and carpets are made of it.
Metal can be heavy or light. Steel is heavy, and the metal of a bicycle is often light.
Stone is cold, wood is warm, and glass is clear. Sand is where glass begins.
The smoky glass of the old window is grey, the new one is clear. In the evening the light is pale and soft.
A litre is a thousand ml. A cup holds 250 ml, a bucket holds about ten litres, and a bath holds 150 litres.
The bucket holds nine litres and the pan holds one litre. How many times do you have to walk?
The river is 12 m wide and 3 m deep. Nobody has ever jumped across it during the day.
The tower is 60 m tall. From the top you can see seven villages and, if the weather is good, the sea.
The old door is two metres high, the new one is 90 cm wide and 210 cm tall.
Orange, silver and pale pink clouds stood above the lake. The sand on the shore was brown and wet.
Coffee costs two euros at the station and three euros at the market. It is the same coffee.
One euro is not much, but a hundred euros are. Whoever saves a euro per day has 365 euros in a year.
Ten percent of a hundred is ten. Fifty percent is half, and a hundred percent is all.
Customers like to earn points. For some they are a game, and for others they are a reason to spend more than they wanted.
The price of bread dropped in spring and went up again in autumn. Prices change, but the loaf is the same.
On weekdays the library is open until late. On Saturdays and Sundays the children come with their parents.
On Sundays the church bells ring. On Saturdays there is music in the square, and on weekdays it is quiet.
Our neighbours are on holiday, so we water the plants. On public holidays the streets are empty.
The new year begins in January. On New Year's Day most people sleep late and eat what is left.
At Easter the children look for eggs in the grass. At Christmas they wait for presents.
The teacher holds a craft class every month. We learned to make paper stars and to hold a brush.
Every first week of the month the choir meets at the school. Anybody can join, and nobody has to sing alone.
Students read a lot and earn little. Many students work in the evening, and some students even work at night.
At university my brother was a student of history. He is studying again and collecting old coins.
A trainee learns for three years. Then the firm offers a job, or the trainee is looking for another one.
She wrote a job application and sent it with a photo. Two days later the manager called.
The team is looking for somebody who likes to speak with people. A good team needs all sorts.
The company was founded by two sisters in a kitchen. Today two hundred people work there.
A school was founded here long ago. Nobody knows who founded the village.
Founders start with an idea. Owners come later, and the idea stays.
Our town has three companies that make shoes and two companies that repair them.
Use warm water to clean the mug. Do not use sand or steel wool, for they scratch.
Send a letter if you want to say something important. Send a message if it is quick.
Take the bus to the end of the line and walk along the river. Take an umbrella, for it rains a lot there.
Take the second street on the left, walk for five minutes and you see the mill. The mill stands by a pond.
Choose a seat by the window. Choose a friend with care, and a password with more care.
Some people forgot to vote, and some people never learned how. The others chose the mayor.
Forgot the milk again? Forgot the keys? Write a list and put it on the door.
If you lose your way, ask. If it rains, wait. If it is late, go home.
Free time is the best time. Free things are not always good things.
Standard shoes fit most feet, but not all. Standard paper is white and thin.
Express trains do not stop in our village. They arrive in the city an hour earlier and cost more.
The express bus leaves at noon and arrives in the evening. The next bus leaves the following day.
Delivery of the new bed was late. Delivery men have strong arms, and the stairs are narrow.
Return the book when you have read it. Returns to the library are counted at night.
She returned the coat because it was too long. The returned coat hangs in the shop again.
They returned from the mountains with a box of stones and an unused map.
The label on the jar says plum. A label should be easy to read and hard to lose.
Click on the link to open the page. If the link does not work, copy it and paste it in.
The settings are hidden under a small wheel. In the settings you can choose the language and the size of the letters.
Open the page, choose Settings, then Language. Under My pages you find what you have read.
Privacy means that nobody looks into your letters. Whoever values privacy closes the curtains.
I got an email from my cousin. An email is quick, and a letter is warm.
An email address has a sign in the middle, like anna@post.example or leo@school.example.
For a list of books write to library@town.example, and for jobs at the school to office@school.example.
My phone rang during the film. I switched the phone off and said sorry.
His phone number is easy to learn: 0444 021 355. Hers is 0444 090 866.
Our old number was 0333 010 550, and before that it was 0333 014 122.
The courier had a green bicycle with one large wheel in front. Couriers ride in all weather.
The wheel of the mill turns slowly. Another wheel was replaced last year.
Tracking an animal in the snow is not hard. Tracking a fish is not possible.
The train from Poland crosses Europe in one night. In the morning you see Italy and the sea.
Europe has many countries. Norway is in the north, Spain and Italy are in the south, and France is in between.
There are countries with many lakes and countries with none. Some people have been to all countries in the world.
Parking in the city is difficult. Behind the theatre there is free parking for bicycles.
There is a wide road behind the station, and parking is allowed on one side.
A wheelchair needs a wide door. With a ramp wheelchairs and prams get in without help.
My grandmother got a new wheelchair. She is quicker than I am.
Dogs are friendly when they know you. A friendly dog wags its tail, and other dogs keep away.
Visitors are welcome at the museum. Friendly guides explain the pictures, and children may draw them.
Packed lunches are ready at eight. Packed in paper, the bread stays fresh.
Recycled paper is a little grey. Whoever uses recycled paper saves water and wood.
All roads lead to the market. All dogs bark, and all children laugh.
The box was the original, with the name of the maker on it. Original boxes are worth money.
An unused ticket is valid for a year. A used one is not valid any more.
The ticket is valid until midnight. My card was valid until May, and now I need a new one.
The bank charged a small sum. When is a battery charged? When the light is green.
A transfer from one bank to another takes a day. You need the number of the bank and some patience.
They bought the house with their own money and no instalments. Buying in instalments makes things dearer.
What do you claim? He claimed that it was a mistake, but nobody wanted to hear the claim.
The insurance paid for the damage. The damage to the roof was large, and the photo showed it.
Take a photo of the crack before you mend it. A photo says more than a long report.
There was a problem with the data, so the report was late. The mistake was found before lunch.
The items on the list were all missing. One item was found in the kitchen, and the other items in the car.
Gift paper costs a few cents per sheet. Wrapping a ball is an art, and wrapping a book is easy.
A gift from the heart is worth more than gold. Gift cards are for people in a hurry.
Sale signs hung in all windows. Sale or no sale, I only buy what I need.
Items that are too heavy for you can be carried by two. Items made of glass need straw around them.
Exchange your seat with your neighbour if you cannot see. The exchange of letters went on for years.
An offer is not a promise. We offer tea, they offer cake, and the rest is talk.
Paying is easy, and earning is not. Paying in cash shows you what you spend.
The difference between early and late is one hour. Pay the difference and say no more.
They refunded the ticket because the concert was cancelled. Everyone was refunded within the week.
Within an hour the whole town knew. Within a day it was forgotten.
I answer at once, you answer after a working day, and he never answers. A working day has eight hours.
Each message was read twice. Every message needs a reply, even if it is short.
Nobody wants spare time to end. Spare keys are under the mat, and spare parts are in the shed.
A receipt is proof that you bought something. Keep the receipt for as long as you keep the thing.
Invoices are sent at the end of the month. Old invoices must be kept for years.
Until you leave, you are a guest. Until it stops raining, we stay.
Same place, same time, said the note. On the same day they met again.
Call us if something is missing. Write to us if you have time, and think of us if you have not.
You find the spoons under the cups. You find friends where you do not look for them.
You get what you pay for, they say. You get more if you ask nicely.
We do not offer rooms, said the farmer, but we hold dances every Friday at eight.
We close the gate at night. We are closed, said the sign, come again tomorrow.
We deliver milk, said the boy, and we send the bill later.
Our street is short. Our house is small, our garden is long, and our door is open.
The workshop smells of oil and wood. Workshop rules: wear shoes, ask first, clean up.
The login page asks for a name and a password. Forgot it? Then you need a new one.
"""

SLOTS = {
    "name": ("Anna", "Ben", "Clara", "David", "Emma", "Frank", "Grace", "Henry", "Iris", "Jack", "Kate", "Leo", "Maria", "Nina"),
    "friend": ("Oscar", "Paul", "Rosa", "Sam", "Tom", "Vera", "Will", "Lucy", "Max", "Ella"),
    "third": ("my brother", "your aunt", "the neighbour", "your father"),
    "shop": ("bakery", "bookshop", "flower shop", "toy shop", "tea shop", "shoe shop", "cheese shop", "bicycle shop"),
    "weekday": ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"),
    "hour": ("six o'clock", "seven o'clock", "half past seven", "eight o'clock", "11 am", "5 pm"),
    "month": ("March", "April", "May", "June", "July", "August", "September", "October"),
    "food": ("bread", "apple cake", "vegetable soup", "pancakes", "cheese rolls", "plum jam", "rice", "biscuits"),
    "thing": ("basket", "chair", "kettle", "lamp", "mug", "blanket", "stool", "teapot", "bottle", "clock", "vase", "tent",
              "doormat", "backpack", "bowl", "mirror"),
    "colour": ("red", "blue", "green", "yellow", "white", "black", "brown", "grey", "orange", "pink", "cream", "silver", "gold"),
}

# Other small shops: each has its own facts, drawn by the seed.
OTHER_SHOPS = ("Bluebell Bakery", "Corner Books", "Miller's Shoes", "The Tea Chest", "Happy Wheels", "Rose and Thorn", "Old Town Toys",
               "Silver Spoon Cafe", "Green Valley Farm", "North Star Music", "Stone Bridge Cheese", "Baker and Sons", "Lucky Button",
               "Paper Moon", "Red Door Art", "Sunny Side Garden", "Candle Corner", "Hilltop Honey", "River Cycles", "Cosy Wool")

# (wordings, answer): {s} is the shop, the other names its facts.
OTHER_SHOP_FACTS = (
    (("When does {s} open in the morning?", "At what hour does {s} unlock its doors?", "how early does {s} open", "{s} opens when?",
      "What are the opening hours of {s}?", "I want to be the first customer at {s}, when should I come?"),
     "{s} opens at half past {open}."),
    (("When does {s} close in the evening?", "How late is {s} open?", "until when is {s} open", "By what time must I leave {s}?",
      "At what time does {s} shut?", "Is {s} still open after work?"),
     "{s} closes at half past {close}."),
    (("On which day is {s} closed?", "Is {s} open every day?", "when is {s} shut", "Which day does {s} take off?",
      "Does {s} have a day of rest?", "Is there a day on which I cannot visit {s}?"),
     "{s} takes a rest on {rest}."),
    (("Where is {s}?", "What is the address of {s}?", "where do i find {s}", "In which street is {s}?", "How do I find {s}?",
      "Can you tell me the location of {s}?"),
     "You find {s} in {street}."),
    (("Does {s} deliver to my home?", "How long does {s} need for a delivery?", "when does my order from {s} arrive",
      "How fast does {s} ship?", "I ordered at {s}, when will my parcel come?", "How many days does {s} take to send an order?"),
     "{s} brings orders to your door in {days} days."),
    (("What does {s} charge for shipping?", "How much is the postage at {s}?", "what does delivery from {s} cost",
      "Is there a delivery fee at {s}?", "Do I pay for delivery at {s}?", "How expensive is the shipping from {s}?"),
     "{s} asks for {fee} euros for each delivery."),
    (("How long can I return things to {s}?", "Does {s} take things back?", "can i give something back to {s}",
      "Within how many days can I send goods back to {s}?", "What is the return policy of {s}?", "Will {s} give me a refund?"),
     "{s} takes goods back for {back} weeks."),
    (("How can I pay at {s}?", "Does {s} take cards?", "payment at {s}?", "Which payment does {s} accept?",
      "May I pay with coins at {s}?", "What are the ways of paying at {s}?"),
     "At {s} you pay {pay}."),
    (("Who owns {s}?", "Who is behind {s}?", "whose shop is {s}", "Who started {s}?", "What is the name of the owner of {s}?",
      "To whom does {s} belong?"),
     "{s} belongs to {owner}."),
    (("What is the cheapest thing at {s}?", "How much is a {thing} at {s}?", "price of a {thing} at {s}",
      "What do I pay for a {thing} at {s}?", "How expensive is the {thing} that {s} sells?", "What would a {thing} from {s} cost me?"),
     "At {s} a {thing} is {price} euros."),
    (("What is the {thing} from {s} made of?", "Which material is the {thing} of {s}?", "{thing} from {s}, what material",
      "Is the {thing} from {s} made of plastic?", "From what does {s} make a {thing}?"),
     "{s} makes every {thing} of {material}."),
    (("How big is the {thing} at {s}?", "What size is the {thing} from {s}?", "size of the {thing} at {s}",
      "Is the {thing} from {s} large?", "What are the measurements of the {thing} that {s} sells?"),
     "The {thing} at {s} measures {measure} cm."),
    (("How long is the guarantee at {s}?", "Does {s} give a warranty?", "warranty at {s}?", "How many years does {s} guarantee its goods?",
      "For how long are things from {s} covered?", "What happens if something from {s} breaks?"),
     "{s} gives a guarantee of {months} months."),
    (("In which colours does {s} sell the {thing}?", "What colour is the {thing} at {s}?", "colours of the {thing} at {s}",
      "Can I choose the colour of a {thing} at {s}?", "Does {s} have the {thing} in other colours?"),
     "{s} has the {thing} only in {colour}."),
    (("How can I contact {s}?", "Can I call {s}?", "telephone of {s}", "I want to talk to someone at {s}.",
      "Which number do I ring to reach {s}?", "Does {s} have a telephone?"),
     "Ring {s} on extension {extension}."),
    (("Is there a discount at {s}?", "How can I save money at {s}?", "any reduction at {s}", "Does {s} have special prices?",
      "Can I buy cheaper at {s}?", "Will I pay less at {s} if I buy a lot?"),
     "{s} is cheaper on {sale}."),
    (("Does {s} repair things?", "Can {s} fix my {thing}?", "will {s} mend a {thing}", "My {thing} is broken, can {s} help?",
      "Is there a workshop at {s}?"),
     "{s} mends a {thing} in {repair} days."),
    (("May I bring my dog to {s}?", "Are animals allowed at {s}?", "dog at {s} ok?", "Can my puppy come to {s} with me?",
      "Do pets have to wait outside {s}?"),
     "{s} asks you to leave animals {animals}."),
)

# Words that customers use: their meaning and another word for it.
WORDS = (
    ("refund", "the money that a shop gives back", "repayment"),
    ("warranty", "a promise to repair or replace a thing", "guarantee"),
    ("guarantee", "a promise that a thing is good", "warranty"),
    ("parcel", "a thing that is sent in a box", "package"),
    ("package", "a box that is sent to somebody", "parcel"),
    ("courier", "a person who brings parcels", "carrier"),
    ("carrier", "a company that brings parcels", "courier"),
    ("delivery", "the bringing of goods to a customer", "shipping"),
    ("shipping", "the sending of goods to a customer", "delivery"),
    ("postage", "what you pay to send a parcel", "shipping cost"),
    ("invoice", "a paper that says what you must pay", "bill"),
    ("bill", "a paper with the sum to pay", "invoice"),
    ("receipt", "a paper that shows what you paid", "proof of payment"),
    ("discount", "money taken off a price", "reduction"),
    ("reduction", "a lower price than before", "discount"),
    ("voucher", "a card or code that you can pay with", "coupon"),
    ("present", "a thing that you give to somebody", "gift"),
    ("gift", "a thing given for a birthday", "present"),
    ("customer", "a person who buys something", "buyer"),
    ("staff", "the people who work for a company", "employees"),
    ("company", "a group of people who do business", "firm"),
    ("firm", "people who do business together", "company"),
    ("founder", "a person who starts a company", "person who set it up"),
    ("owner", "the person to whom a thing belongs", "boss"),
    ("to purchase", "to get a thing for money", "to buy"),
    ("to send back", "to give goods to the shop again", "to return"),
    ("to return", "to bring a thing back", "to send back"),
    ("to swap", "to give one thing for another", "to exchange"),
    ("to exchange", "to change one thing for another", "to swap"),
    ("to cancel", "to stop an order", "to call off"),
    ("to collect", "to go and get a thing yourself", "to pick up"),
    ("to pick up", "to come and get a thing", "to collect"),
    ("to repair", "to make a broken thing whole", "to fix"),
    ("to mend", "to make a thing work again", "to repair"),
    ("to charge", "to take money for something", "to ask for payment"),
    ("to close", "to end work for the day", "to shut"),
    ("to reply", "to write back to somebody", "to answer"),
    ("to respond", "to say something to a question", "to reply"),
    ("to track", "to follow the way of a parcel", "to follow"),
    ("to apply", "to ask for a job", "to send an application"),
    ("to hire", "to give somebody a job", "to take on"),
    ("to expire", "to come to an end", "to run out"),
    ("instalment", "one part of a sum that is paid bit by bit", "part payment"),
    ("financing", "paying for a thing over many months", "paying in parts"),
    ("damaged", "hurt or broken on the way", "broken"),
    ("cracked", "broken with a thin line", "damaged"),
    ("missing", "not there although it should be", "lost"),
    ("abroad", "in a different country", "overseas"),
    ("overseas", "in a country across the sea", "abroad"),
    ("express", "faster than normal", "fast"),
    ("urgent", "needed very soon", "pressing"),
    ("loyal", "coming back again and again", "regular"),
    ("bulk", "a large number of things", "large order"),
    ("spare part", "a new part for an old thing", "replacement part"),
    ("recycled", "made from old things", "used again"),
    ("material", "what a thing is made of", "stuff"),
    ("dimensions", "how long, wide and high a thing is", "measurements"),
    ("measurements", "the numbers for how big a thing is", "size"),
    ("class", "an hour in which you learn something", "course"),
    ("course", "a row of lessons", "class"),
    ("workshop", "a room where things are made", "studio"),
    ("password", "a secret word for your account", "code word"),
    ("account", "your own page at a shop", "customer page"),
    ("login", "the way into your account", "sign in"),
    ("to delete", "to take away for ever", "to erase"),
    ("to erase", "to make something go away", "to remove"),
    ("ramp", "a smooth way up without steps", "slope"),
    ("accessible", "easy to enter for everybody", "easy to reach"),
    ("bank holiday", "a day on which nobody has to work", "public holiday"),
    ("sale", "a time of low prices", "clearance"),
    ("condition", "how good or bad a thing is", "state"),
    ("status", "how far something has come", "state"),
    ("location", "the place where a thing is", "place"),
    ("cheap", "with a low price", "not expensive"),
    ("expensive", "with a high price", "dear"),
    ("newsletter", "a letter with news for customers", "news by mail"),
    ("deadline", "the last day for doing something", "time limit"),
    ("neighbour", "a person who lives next to you", "person next door"),
    ("tram", "a train that runs in the street", "streetcar"),
    ("pram", "a small car for a baby", "baby carriage"),
    ("application", "a letter in which you ask for work", "request"),
    ("trainee", "a person who is learning a job", "learner"),
)
WORD_MEANING = ("What does {w} mean?", "What is the meaning of {w}?", "meaning of {w}", "Can you explain {w} to me?", "I do not know the word {w}.")
WORD_OTHER = ("Give me another word for {w}.", "What else can I say for {w}?", "another word for {w}", "Which word is like {w}?")

# Everyday questions: several wordings and one answer.
EVERYDAY = """
What do bees make? | which food do bees give us | Tell me what bees make.
= Bees make honey and wax.
What do I need for pancakes? | how do i make pancakes | Which things go into pancakes?
= For pancakes you need milk, eggs and flour.
How many days are in a week? | days in a week? | What is the number of days in a week?
= A week has seven days.
When do the leaves fall? | In which season do trees lose their leaves? | falling leaves when
= The leaves fall in autumn.
Why should I wear a coat? | Do I need a coat in winter? | is a coat useful
= A coat keeps you warm when it is cold.
What is paper made of? | From what do people make paper? | paper is made out of what
= Paper is made of wood.
Where does wool come from? | Which animal gives us wool? | wool comes from where
= Wool comes from sheep.
How do I boil an egg? | Can you tell me how to cook an egg? | cooking an egg how
= Put the egg in hot water for six minutes.
What does a baker do? | what is the job of a baker | Tell me about the work of a baker.
= A baker makes bread and cakes.
What does a carpenter do? | what is a carpenter good for | Which work does a carpenter do?
= A carpenter makes things of wood.
How can I sleep better? | I cannot sleep at night. | what helps me to sleep
= Go to bed early and leave the telephone in the kitchen.
What should I drink when it is hot? | Which drink is best in summer? | hot day what to drink
= Drink plenty of water when it is hot.
How do I clean a window? | What is good for dirty windows? | cleaning windows how
= Use warm water and an old newspaper.
My plant looks sad, what can I do? | How often should I water a plant? | plant is dry
= Give the plant some water and put it in the light.
What can I give my mother for her birthday? | I need an idea for a birthday. | birthday present for mother
= Flowers and a letter are always a good present.
How do I get a stain out of a shirt? | There is a spot on my shirt. | stain on shirt help
= Wash the shirt with cold water and soap.
Which bird calls at night? | What bird can I hear in the dark? | night bird?
= The owl calls at night.
Where does a fox live? | What is the home of a fox? | fox lives where
= A fox lives in a hole in the forest.
What does an otter eat? | otters eat what | Which food does an otter like?
= An otter eats fish.
Where does a fern grow? | Does a fern like the sun? | fern grows where
= A fern grows in the shade.
What does a beaver build? | Which animal builds dams? | beaver builds what
= A beaver builds a dam of branches.
How does a mole live? | Where can I see a mole? | mole lives where
= A mole lives under the ground.
Is a bear dangerous? | Should I be afraid of a bear? | bears dangerous?
= A bear is dangerous when it has young ones.
What does a hare look like? | How do I know a hare? | hare or rabbit
= A hare has long ears and long legs.
What colour is a swan? | Tell me how a swan looks. | swan colour
= Most swans are white.
Is glass hard? | Can glass break? | glass breaks or not
= Glass is hard, but it breaks easily.
What is steel used for? | steel is good for what | Why do people use steel?
= Steel is used for tools and bridges.
How many legs does a stool have? | legs of a stool? | Tell me how many legs a stool has.
= A stool has three or four legs.
Who brings letters? | Which person carries the post? | letters are brought by who
= The postman brings letters.
How do I write a letter? | What belongs in a letter? | writing a letter how
= Begin with a greeting and end with your name.
What is the first month of the year? | With which month does a year begin? | first month
= The first month is January.
Which day comes after Friday? | What is the day after Friday? | after friday comes
= After Friday comes Saturday.
How many hours are in a day? | hours in one day? | What is the number of hours in a day?
= A day has twenty-four hours.
Should I buy new or used? | Is it better to buy used things? | new or used
= Used things are cheaper and often just as good.
How can I save money? | I spend too much. | saving money how
= Write down what you buy and wait a day before you pay.
What makes good customer service? | How should a shop treat customers? | good service means what
= Good service means to listen and to help quickly.
How do I complain in a friendly way? | I am angry with a shop. | complaining politely
= Say what happened and what you would like.
Can you help me? | I need help. | help please
= Of course, what would you like to know?
Good morning! | Hello! | hi
= Hello, how can I help you?
Thank you for your help. | Thanks a lot! | thx
= You are welcome.
Goodbye! | See you soon. | bye
= Goodbye and have a nice day.
Who are you? | What is your name? | are you a person
= I am a small program that answers questions.
How are you? | How do you feel today? | you ok?
= I am fine, thank you.
Tell me a joke. | Can you make me laugh? | joke please
= Why did the clock go to school? It had time.
What is the weather like? | Will it rain? | rain today?
= I cannot see the sky from here.
"""

OTHER_SHOP_VALUES = {
    "open": ("six", "seven", "eight", "ten"),
    "close": ("three", "five", "seven", "eight"),
    "rest": ("Monday", "Tuesday", "Wednesday", "Thursday"),
    "street": ("Church Lane", "Park Road", "Station Road", "King Street", "Water Lane", "the old market"),
    "days": ("two", "four", "six", "eight"),
    "fee": ("two", "five", "six", "seven"),
    "back": ("two", "three", "five", "six"),
    "pay": ("only with coins", "with any card", "by telephone", "at the end of the month"),
    "owner": ("Mr Brown", "Mrs Green", "Mr Cook", "Mrs Field", "the Hill family", "two old friends"),
    "material": ("straw", "pine", "paper", "copper", "leather", "silk"),
    "months": ("six", "eighteen", "twenty", "thirty"),
    "sale": ("the first Monday", "the last Friday", "rainy days", "market days"),
    "repair": ("two", "five", "nine", "twelve"),
    "animals": ("at the door", "at home", "in the yard", "on a lead"),
}


# ---------------------------------------------------------------------------
# From the sentences to rows.
# ---------------------------------------------------------------------------

WORDINGS = Path(__file__).parent / "quickstart_data"


def read_blocks(name: str) -> dict[str, list[str]]:
    """Name after "@" -> the lines of its block."""
    blocks: dict[str, list[str]] = {}
    for line in (WORDINGS / name).read_text(encoding="utf-8").splitlines():
        if line.startswith("@ "):
            assert line[2:] not in blocks, line
            block = blocks[line[2:]] = []
        elif line and not line.startswith("#"):
            block.append(line)
    return blocks


def split_wordings(name: str, wordings: list[str], times: int = 1) -> dict[str, list[str]]:
    """Give each wording to one of heldout, valid and train; `times` as many to the small parts."""
    assert len(set(wordings)) == len(wordings) >= MIN_WORDINGS, name
    order = wordings[:]
    random.Random(f"{SEED} {name}").shuffle(order)
    held_out, valid = HELD_OUT_WORDINGS * times, VALID_WORDINGS * times
    return {"heldout": order[:held_out], "valid": order[held_out:held_out + valid], "train": order[held_out + valid:]}


def chat_row(question: str, answer: str) -> dict:
    return {"messages": [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]}


KEEP_CAPITAL = {"I", "I'd", "Fern"} | {product.name for product in PRODUCTS}


def lower_first(text: str) -> str:
    """The first letter small, unless the first word is a name or "I"."""
    return text if text.split(" ")[0] in KEEP_CAPITAL else text[0].lower() + text[1:]


def dress(question: str, rng: random.Random) -> str:
    """Sometimes a greeting before and thanks after, as customers do."""
    draw = rng.random()
    if draw < 0.18:
        greeting = rng.choice(GREETINGS)
        question = greeting + (question if greeting.endswith("! ") else lower_first(question))
    elif draw < 0.32:
        if question[-1].isalnum():
            question += "?"
        question += rng.choice(ENDINGS)
    elif draw < 0.40:
        question = question.rstrip("?.").lower()
    return question


def product_called(product: Product, rng: random.Random) -> str:
    return rng.choices((f"{product.name} {product.noun}", product.noun, product.name), (60, 30, 10))[0]


PRODUCT_TURNS = len(PRODUCTS) // PRODUCTS_PER_WORDING


def capital_first(question: str, wording: str) -> str:
    """A product's name at the start gets a capital letter."""
    return question[0].upper() + question[1:] if wording.startswith("{") else question


def general_rows() -> dict[str, list[dict]]:
    rows: dict[str, list[dict]] = {"train": [], "valid": [], "heldout": []}
    for name, (answer, *wordings) in read_blocks("general_facts.txt").items():
        rng = random.Random(f"{SEED} dress {name}")
        for part, chosen in split_wordings(name, wordings).items():
            rows[part] += [chat_row(dress(wording, rng), answer.removeprefix("= ")) for wording in chosen]
    return rows


def product_rows() -> dict[str, list[dict]]:
    """Each wording is asked of PRODUCTS_PER_WORDING products in turn, so that every fact gets its share of every part."""
    rows: dict[str, list[dict]] = {"train": [], "valid": [], "heldout": []}
    for attribute, wordings in read_blocks("product_questions.txt").items():
        rng = random.Random(f"{SEED} dress {attribute}")
        for part, chosen in split_wordings(attribute, wordings, PRODUCT_TURNS).items():
            for number, wording in enumerate(chosen):
                for product in PRODUCTS[number % PRODUCT_TURNS::PRODUCT_TURNS]:
                    question = capital_first(wording.replace("{p}", product_called(product, rng)), wording)
                    rows[part].append(chat_row(dress(question, rng), product_answer(product, attribute)))
    return rows


def faq_rows() -> dict[str, list[dict]]:
    general, products = general_rows(), product_rows()
    rows = {part: general[part] + products[part] for part in general}
    for part, part_rows in rows.items():
        random.Random(f"{SEED} order {part}").shuffle(part_rows)
    return rows


def fill(text: str, values: dict[str, str]) -> str:
    return re.sub(r"\{(\w+)\}", lambda match: values[match.group(1)], text)


def base_text_rows(rows_per_scene: int) -> list[dict]:
    rng = random.Random(f"{SEED} prose")
    rows = []
    for scene in SCENES:
        for _ in range(rows_per_scene):
            values = {slot: rng.choice(words) for slot, words in SLOTS.items()}
            rows.append({"text": " ".join(fill(rng.choice(step), values) for step in scene)})
    notes = NOTES.strip().splitlines()
    for _ in range(2):  # every note twice, each time beside another one
        rng.shuffle(notes)
        rows += [{"text": f"{one} {other}"} for one, other in zip(notes[::2], notes[1::2], strict=True)]
    rng.shuffle(rows)
    return rows


def base_chat_rows() -> list[dict]:
    rng = random.Random(f"{SEED} chat")
    rows = []
    for number, shop in enumerate(OTHER_SHOPS):
        facts = {slot: rng.choice(words) for slot, words in OTHER_SHOP_VALUES.items()}
        facts |= {"s": shop, "extension": str(61 + number), "measure": str(71 + number), "price": str(90 + number)}
        facts |= {"thing": rng.choice(SLOTS["thing"]), "colour": rng.choice(SLOTS["colour"])}
        for wordings, answer in OTHER_SHOP_FACTS:
            for wording in rng.sample(wordings, 4):
                rows.append(chat_row(dress(fill(wording, facts), rng), fill(answer, facts)))
    for word, meaning, other in WORDS:
        for wording in rng.sample(WORD_MEANING, 3):
            rows.append(chat_row(dress(wording.replace("{w}", word), rng), f"It means {meaning}."))
        for wording in rng.sample(WORD_OTHER, 3):
            rows.append(chat_row(dress(wording.replace("{w}", word), rng), f"You can also say {other}."))
    questions: list[str] = []
    for line in EVERYDAY.strip().splitlines():
        if line.startswith("= "):
            rows += [chat_row(question, line[2:]) for question in questions]
        else:
            questions = line.split(" | ")
    rng.shuffle(rows)
    return rows


# ---------------------------------------------------------------------------
# Checks and writing.
# ---------------------------------------------------------------------------

def bare(text: str) -> str:
    """Letters and digits only, lower case."""
    return " ".join(re.findall(r"[a-z0-9]+", text.lower().replace("'", "")))


BARE_GREETINGS = sorted({bare(text) for text in GREETINGS}, key=len, reverse=True)
BARE_ENDINGS = sorted({bare(text) for text in ENDINGS}, key=len, reverse=True)
PRODUCT_NAME = re.compile("|".join(f"{p.name} {p.noun}|{p.name}|{p.noun}" for p in PRODUCTS).lower())


def wording_key(question: str) -> str:
    """What makes two questions the same wording: case, punctuation, greeting, ending and product do not count."""
    key = bare(question)
    for greeting in BARE_GREETINGS:
        if key.startswith(greeting + " "):
            key = key[len(greeting) + 1:]
            break
    for ending in BARE_ENDINGS:
        if key.endswith(" " + ending):
            key = key[:-len(ending) - 1]
            break
    return re.sub(rf"\b(?:{PRODUCT_NAME.pattern})\b", "product", key)


def check_split(faq: dict[str, list[dict]], base: list[dict]) -> None:
    keys = {part: {wording_key(row["messages"][0]["content"]) for row in rows} for part, rows in faq.items()}
    keys["base"] = {wording_key(row["messages"][0]["content"]) for row in base if "messages" in row}
    for one, other in (("heldout", "train"), ("heldout", "valid"), ("heldout", "base"), ("valid", "train"), ("valid", "base")):
        shared = keys[one] & keys[other]
        assert not shared, f"{one} and {other} share the wordings {sorted(shared)}"
    answers = {row["messages"][1]["content"] for row in faq["train"]}
    for part in ("valid", "heldout"):
        assert {row["messages"][1]["content"] for row in faq[part]} == answers, f"{part} does not ask for every fact"
    base_content = "\n".join(json.dumps(row) for row in base)
    for answer in answers:
        assert answer not in base_content, answer
    assert COMPANY not in base_content


def write(path: Path, rows: list[dict]) -> None:
    text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    path.write_text(text, encoding="utf-8", newline="\n")
    print(f"{path}: {len(rows)} rows, {len(text.encode())} bytes")


def main() -> None:
    parser = argparse.ArgumentParser(description="Write the quick start's data.")
    parser.add_argument("--out", type=Path, default=Path("recipes/quickstart/data"), help="folder to write to (default: %(default)s)")
    out = parser.parse_args().out
    faq = faq_rows()
    text, chat = base_text_rows(rows_per_scene=45), base_chat_rows()
    check_split(faq, text + chat)
    out.mkdir(parents=True, exist_ok=True)
    write(out / "base_text.jsonl", text)
    write(out / "base_chat.jsonl", chat)
    for part, rows in faq.items():
        write(out / f"faq_{part}.jsonl", rows)


if __name__ == "__main__":
    main()
